"""What the processes of one training agree on. Alone, a process keeps the numbers that it has.

All processes must call these equally often and in the same order.
"""

import time

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


def leave_group() -> None:
    """Leave the group of processes, where there is one.

    Torch waits for the group's threads and keeps Python's lock meanwhile; one of them that is still
    giving back what its last work held would wait for that lock, for ever. It gets the time before.
    """
    if dist.is_available() and dist.is_initialized():
        time.sleep(0.2)
        dist.destroy_process_group()
