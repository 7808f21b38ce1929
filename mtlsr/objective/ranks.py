"""What the processes of one training agree on. Alone, a process keeps the numbers that it has.

All processes must call these equally often and in the same order.
"""

import torch
from torch import Tensor
from torch import distributed as dist


def ranks() -> int:
    """How many processes train together."""
    together = dist.is_available() and dist.is_initialized()
    return dist.get_world_size() if together else 1


@torch.no_grad()
def sum_over_ranks(x: Tensor) -> Tensor:
    """Sum of every process's `x`, the same bits in each; alone, `x` itself."""
    if ranks() == 1:
        return x
    total = x.clone()
    dist.all_reduce(total)
    return total


@torch.no_grad()
def mean_over_ranks(x: Tensor) -> Tensor:
    """Mean of every process's `x`, the same bits in each; alone, `x` itself."""
    return x if ranks() == 1 else sum_over_ranks(x) / ranks()
