"""The contract of a discriminator, and the convolution that keeps it tame."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Discriminator(nn.Module, ABC):
    """Says of every place of an image how much it looks like a real photograph.

    It mixes no two images of a batch, so that what it says of one does not depend on the others.
    """

    minimum: ClassVar[int]
    """Smallest height and width in pixels that it can judge."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) in [0, 1] to logits (N, 1, ·, ·)."""


class SpectralConv2d(nn.Conv2d):
    """Convolution whose weight is divided by its largest singular value.

    W, seen as a matrix (out, in·k·k), becomes W / σ with σ = ‖Wᵀu‖, where the buffer u follows the
    first left singular vector by a round of power iteration, u ← W Wᵀ u / ‖W Wᵀ u‖, a training step
    (Miyato et al. 2018, arXiv:1802.05957). A round is made only where the weight is about to be
    trained: not in evaluation mode, not without gradient, and not where the weight is held fixed,
    so that whoever merely asks changes nothing.

    Args:
        inputs, outputs, kernel, stride, padding: As of `torch.nn.Conv2d`.
    """

    u: Tensor

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, padding)
        self.register_buffer("u", F.normalize(torch.randn(outputs), dim=0))
        for _ in range(15):
            self._iterate()

    @torch.no_grad()
    def _iterate(self) -> None:
        matrix = self.weight.flatten(1)
        self.u.copy_(F.normalize(matrix @ (matrix.T @ self.u), dim=0))

    def normalised(self) -> Tensor:
        """W / σ, in the precision of W whatever autocast says outside."""
        with torch.autocast(self.weight.device.type, enabled=False):
            if self.training and torch.is_grad_enabled() and self.weight.requires_grad:
                self._iterate()
            # The copy is what the backward pass needs: the next round writes over u.
            return self.weight / (self.weight.flatten(1).T @ self.u.clone()).norm()

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.normalised(), self.bias)
