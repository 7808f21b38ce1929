"""The contract that every pair of networks fulfils, and the pair itself."""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from mtlsr.networks.outputs import RealismOutput, RestorationOutput


class FirstBlock(nn.Module, ABC):
    """Stem and first residual block: image (N, 3, h, w) in [0, 1] -> maps (N, C, h, w).

    A frozen copy of it, as stage 1 left it, judges and anchors stage 2.
    """

    channels: int
    """Channels C of its maps."""

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """Return the maps S of the λ2 term."""

    @abstractmethod
    def anchored(self) -> dict[str, Tensor]:
        """Return θ_R of the λ4 term by name: the residual block's convolution weights."""


class RealismNet(nn.Module, ABC):
    """Stage 1: a residual network that tells what makes a low-resolution image realistic."""

    first_block: FirstBlock
    channels: tuple[int, ...]
    """Channels of the returned features, from the full size down."""
    vector_size: int
    """Length V of the realism vector."""

    @abstractmethod
    def forward(self, lr: Tensor) -> RealismOutput:
        """Describe the image `lr`, (N, 3, h, w) in [0, 1]."""


class RestorationNet(nn.Module, ABC):
    """Stage 2: a UNet that restores structure and texture from what stage 1 found."""

    scale: int

    @abstractmethod
    def forward(self, lr: Tensor, realism: RealismOutput) -> RestorationOutput:
        """Enlarge `lr`, (N, 3, h, w) in [0, 1], by `scale` with stage 1's output for it."""


class SuperResolver(nn.Module):
    """Both stages as one network: image in, everything that is known about it out.

    Args:
        realism: Stage 1.
        restoration: Stage 2, made for stage 1's channels and vector.
    """

    def __init__(self, realism: RealismNet, restoration: RestorationNet) -> None:
        super().__init__()
        self.realism = realism
        self.restoration = restoration

    @property
    def scale(self) -> int:
        return self.restoration.scale

    def forward(self, lr: Tensor) -> tuple[RealismOutput, RestorationOutput]:
        """Enlarge `lr`, (N, 3, h, w) in [0, 1], of any height and width."""
        realism = self.realism(lr)
        return realism, self.restoration(lr, realism)
