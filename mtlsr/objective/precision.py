"""Numbers of a term are small differences of large ones: autocast must not round them."""

from collections.abc import Callable
from functools import wraps

import torch
from torch import Tensor


def widened(x: Tensor) -> Tensor:
    """Raise half precision to float32; float32 and float64 stay."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def in_full_precision(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Compute in float32 or, given float64, in float64, whatever autocast says outside."""

    @wraps(function)
    def computed(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return function(widened(x))

    return computed
