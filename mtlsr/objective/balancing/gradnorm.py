"""GradNorm: weights that make the terms' gradients at the shared maps grow alike."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mtlsr.objective.balancing.base import Rule
from mtlsr.objective.balancing.gradients import feature_gramian
from mtlsr.objective.balancing.losses import LossBalancer, values_of

LEAST = 1e-3
"""Where a weight stops falling: a negative one would raise its term."""


class GradientNorms(Rule):
    """w follows the gradient of Σ |G_i - Ḡ · r_i^α|, G_i = w_i · ‖∇L_i‖, by a step of Adam.

    Ḡ is the mean of G_i and r_i = (L_i / L_i(0)) / mean of the same: a term that has fallen less
    than the others may pull harder. Ḡ · r_i^α counts as a constant. Chen et al. 2018,
    arXiv:1711.02257.

    Args:
        count: Terms K.
        alpha: How much harder; 0 makes all gradients equally long.
        lr: Learning rate of the weights.
    """

    def __init__(self, count: int, alpha: float = 1.5, lr: float = 0.025) -> None:
        self.alpha = alpha
        self.weights = torch.ones(count)
        self.first = torch.zeros(count)
        self.adam = torch.optim.Adam([self.weights], lr=lr)

    def __call__(self, statistic: Tensor) -> Tensor:
        """The weights as they are; `learn` changes them."""
        return self.weights.clone()

    def learn(self, losses: Tensor, norms: Tensor) -> None:
        """Take a step, given the losses (K,) and the norms ‖∇L_i‖ (K,).

        Silent terms pull at no weight; all weights are then brought back to the sum K.
        """
        heard = (losses != 0) & (norms > 0)
        if not heard.any() or not (losses.isfinite() & norms.isfinite()).all():
            return
        self.first = torch.where(self.first == 0, losses, self.first)
        lengths = self.weights * norms
        rates = (losses / self.first)[heard]
        target = lengths[heard].mean() * (rates / rates.mean()) ** self.alpha
        self.weights.grad = torch.zeros_like(self.weights)
        self.weights.grad[heard] = (lengths[heard] - target).sign() * norms[heard]
        self.adam.step()
        self.weights.clamp_(min=LEAST)
        self.weights *= len(self.weights) / self.weights.sum()

    def state(self) -> dict[str, Any]:
        return {
            "weights": self.weights.clone(),
            "first": self.first.clone(),
            "adam": self.adam.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.weights.copy_(state["weights"])
        self.first = state["first"].clone()
        self.adam.load_state_dict(state["adam"])


class GradNorm(LossBalancer):
    """GradNorm: see `GradientNorms`. K small backward passes to the shared maps, and one whole."""

    rule: GradientNorms

    def balance(
        self,
        losses: Sequence[Tensor],
        shared: Sequence[Tensor],
        parameters: Iterable[nn.Parameter],
    ) -> tuple[Tensor, Tensor]:
        total, weights = super().balance(losses, shared, parameters)
        maps = [x for x in shared if x.requires_grad]
        norms = feature_gramian(losses, maps).diagonal().sqrt()
        self.rule.learn(values_of(losses).cpu(), norms.cpu())
        return total, weights
