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


class AnchorTerm(nn.Module):
    """Stage 2's λ4: mean of ‖θ_R - θ_R*‖² over the first residual block's convolutions.

    θ_R* are the averaged weights with which stage 1 ended. As in elastic weight consolidation
    without its Fisher weights (L2-SP, Li et al. 2018, arXiv:1802.01483).
    """

    balanced = False
    """It is zero where stage 2 begins, and does not pass through the maps that terms share."""

    def forward(self, weights: Mapping[str, Tensor], ideal: Mapping[str, Tensor]) -> Tensor:
        return anchor(weights, ideal)
