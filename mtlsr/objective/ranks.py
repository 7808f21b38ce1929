"""What the processes of one training agree on."""

import torch
from torch import Tensor
from torch import distributed as dist


@torch.no_grad()
def mean_over_ranks(x: Tensor) -> Tensor:
    """Mean of a tensor over all processes, the same bits in each; alone, the tensor itself.

    All processes must call it equally often and in the same order.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return x
    total = x.clone()
    dist.all_reduce(total)
    return total / dist.get_world_size()
