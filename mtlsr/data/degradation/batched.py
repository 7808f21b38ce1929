"""Whole batches degraded on the training device, to the bit the same in every batch.

A sample must not depend on what else is in its batch, nor on the machine. Convolutions and matrix
products add up in an order that is theirs to choose, so everything that is added up here is whole
multiples of a power of two, small enough for the sums to be exact, whatever the order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Float32 = NDArray[np.float32]
Weights = NDArray[np.floating[Any]]

UNIT = 2**13
"""Kernels are multiples of 1 / UNIT."""
GRID = 4
"""A resampled image is in multiples of 1 / GRID level. Sums of GRID · UNIT · 512 levels = 2^24 are
what float32 can hold exactly."""


@dataclass
class Draws:
    """What happens to a batch of N low-resolution images, all of it drawn.

    y = kernel * (rows · x · columnsᵀ) + noise, in levels of 255, for each channel x.
    """

    rows: Tensor
    """float32 ``(N, h, h)``: resampling along the height."""
    columns: Tensor
    """float32 ``(N, w, w)``: resampling along the width."""
    kernel: Tensor
    """float32 ``(N, k, k)``: blur."""
    noise: Tensor
    """float32 ``(N, h, w, 3)``."""

    @staticmethod
    def of(rows: Weights, columns: Weights, kernel: Weights, noise: Float32) -> "Draws":
        """The draws of one image, its weights quantised, as a batch of one."""
        flat = quantised(kernel.reshape(1, -1)).reshape(kernel.shape)
        arrays = quantised(rows), quantised(columns), flat, noise
        return Draws(*(torch.from_numpy(array)[None] for array in arrays))

    @staticmethod
    def joined(parts: Sequence["Draws"]) -> "Draws":
        """Several batches as one."""
        return Draws(
            *(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(Draws))
        )

    def map(self, function: Callable[[Tensor], Tensor]) -> "Draws":
        """The draws with a function applied to every tensor."""
        return Draws(*(function(getattr(self, field.name)) for field in fields(Draws)))


def quantised(weights: Weights) -> NDArray[np.float32]:
    """Round weights to multiples of 1 / UNIT whose rows still add up to 1.

    What the rounding lost goes to the largest weight of the row.

    Args:
        weights: ``(m, n)``; rows that add up to 1.

    Returns:
        float32 ``(m, n)``.
    """
    units = np.rint(weights.astype(np.float64) * UNIT)
    units[np.arange(len(units)), units.argmax(axis=1)] += UNIT - units.sum(axis=1)
    return (units / UNIT).astype(np.float32)


@torch.no_grad()
def degrade_batch(lr: Tensor, draws: Draws) -> Tensor:
    """Degrade a batch where it is: on the device of ``lr``.

    It differs from ``Degradation.degrade`` by the rounding of kernels and of the resampled image:
    by one level, on few pixels.

    Args:
        lr: float ``(N, 3, h, w)`` in [0, 1], multiples of 1/255.
        draws: of the same N, h and w, on the same device.

    Returns:
        float32 ``(N, 3, h, w)`` in [0, 1], multiples of 1/255, in channels_last memory format.

    Raises:
        ValueError: shapes that do not go together.
    """
    from kornia.filters import filter2d  # its import takes a second

    count, _, height, width = lr.shape
    if draws.noise.shape != (count, height, width, 3):
        raise ValueError(
            f"The batch is {tuple(lr.shape)}, but its noise is {tuple(draws.noise.shape)}: "
            f"{(count, height, width, 3)} is needed."
        )
    with torch.autocast(lr.device.type, enabled=False), _exact():
        image = (lr.float() * 255).round().double()
        rows, columns = draws.rows.double()[:, None], draws.columns.double()[:, None]
        image = rows @ image @ columns.mT
        image = ((image * GRID).round() / GRID).float().contiguous()
        image = filter2d(image, draws.kernel, border_type="replicate")
        image = image + draws.noise.permute(0, 3, 1, 2)
        image = (image + 0.5).floor().clamp(0, 255) / 255
    return image.contiguous(memory_format=torch.channels_last)


def _exact() -> Any:
    """Neither TF32 nor the transforms that cuDNN might choose would keep whole numbers whole."""
    return torch.backends.cudnn.flags(enabled=False, allow_tf32=False)
