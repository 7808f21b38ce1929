"""λ4, anchor: the first block stays near the weights that stage 1 ended with."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def anchor(weights: Mapping[str, Tensor], ideal: Mapping[str, Tensor]) -> Tensor:
    """Mean of (θ - θ*)² over all numbers of all tensors: a scalar, 0 with gradient 0 at θ = θ*.

    Raises:
        ValueError: The two do not name the same tensors.
    """
    if weights.keys() != ideal.keys():
        raise ValueError(
            f"the anchor has {sorted(ideal)}, the network has {sorted(weights)}: not the same."
        )
    squares = [(weights[name] - ideal[name]).square().sum() for name in weights]
    return torch.stack(squares).sum() / sum(weight.numel() for weight in weights.values())


def drift(weights: Mapping[str, Tensor], ideal: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """How far each tensor has moved, ‖θ - θ*‖ / ‖θ*‖, by name: 0 at θ = θ*."""
    return {
        name: torch.linalg.vector_norm(weights[name] - reference)
        / torch.linalg.vector_norm(reference).clamp(min=torch.finfo(reference.dtype).tiny)
        for name, reference in ideal.items()
    }


class AnchorTerm(nn.Module):
    """Stage 2's λ4: mean of ‖θ_R - θ_R*‖² over the first residual block's convolutions.

    θ_R* are the averaged weights with which stage 1 ended. As in elastic weight consolidation
    without its Fisher weights (L2-SP, Li et al. 2018, arXiv:1802.01483).
    """

    balanced = False
    """It is zero where stage 2 begins, and does not pass through the maps that terms share."""

    def forward(self, weights: Mapping[str, Tensor], ideal: Mapping[str, Tensor]) -> Tensor:
        return anchor(weights, ideal)

    def details(
        self, weights: Mapping[str, Tensor], ideal: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Return the drift of each convolution, to be logged."""
        return {f"drift/{name}": value for name, value in drift(weights, ideal).items()}
