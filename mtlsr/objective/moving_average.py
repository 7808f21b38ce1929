"""Exponential moving average: the statistic of a few images, steadied by earlier batches."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mtlsr.objective.ranks import mean_over_ranks

State = tuple[Tensor, Tensor]
"""(m, w): mean of all batches so far, shaped as one image's statistic, and their weight, ()."""


def moving_average(statistic: Tensor, state: State, decay: float) -> tuple[Tensor, State]:
    """Average the statistics T_n of N images, (N, ...), with those of earlier batches.

    With β = `decay` and (m, w) = `state`, (0, 0) before the first batch:

        w' = β · w + 1
        m' = m + (mean over n of T_n - m) / w'
        A_n = m + (T_n - m) / w'

    So m' = Σ β^age · T / Σ β^age over all batches, T being a batch's mean: Adam's corrected average
    (Kingma and Ba 2015, arXiv:1412.6980), which does not lean on its start. A_n is the average with
    image n as its newest entry, and m' is the mean of A. With β = 0, A = T.

    The gradient is straight through, ∂A/∂T = 1 (Bengio et al. 2013, arXiv:1308.3432), as if the
    average were the images' own statistic. The true one, 1 / w', would turn the term down instead
    of steadying it.

    Returns:
        A, (N, ...), and the next state (m', w'), without gradient.
    """
    mean, weight = state
    with torch.no_grad():
        weight = decay * weight + 1
        shift = mean + (statistic - mean) / weight - statistic
        mean = mean + (statistic.mean(dim=0) - mean) / weight
    return statistic + shift, (mean, weight)


class MovingAverage(nn.Module):
    """`moving_average` with its state in buffers, which are the same in all processes.

    The state moves in training alone, and where gradients are computed: neither what is only
    reported nor evaluation changes what training sees.

    Args:
        shape: Of one image's statistic.
        decay: β in [0, 1[; 1 / (1 - β) batches count.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, shape: Sequence[int], decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(*shape))
        self.register_buffer("weight", torch.zeros(()))

    def forward(self, statistic: Tensor) -> Tensor:
        averaged, (mean, weight) = moving_average(statistic, (self.mean, self.weight), self.decay)
        if self.training and torch.is_grad_enabled():
            # m' is linear in T, so its mean over the processes is that of all their images.
            mean = mean_over_ranks(mean)
            # A batch that overflowed in half precision must not stay in the average for good.
            usable = mean.isfinite().all()
            self.mean.copy_(torch.where(usable, mean, self.mean))
            self.weight.copy_(torch.where(usable, weight, self.weight))
        return averaged
