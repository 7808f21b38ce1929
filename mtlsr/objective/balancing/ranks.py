"""Numbers of all processes of a training as one. With one process they stay as they are."""

from torch import Tensor, distributed


def ranks() -> int:
    """How many processes train together."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def sum_over_ranks(x: Tensor) -> Tensor:
    """Sum of every rank's `x`, the same bits on each of them."""
    if ranks() > 1:
        x = x.clone()
        distributed.all_reduce(x)
    return x


def mean_over_ranks(x: Tensor) -> Tensor:
    """Mean of every rank's `x`, the same bits on each of them."""
    return sum_over_ranks(x) / ranks()
