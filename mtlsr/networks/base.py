"""The contracts that networks fulfil, and the pair of both stages."""

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn

from mtlsr.networks.outputs import RealismOutput, RestorationOutput
from mtlsr.networks.reading import Reading
from mtlsr.objective.precision import widened


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
    reading: Reading
    """Makes of the vector what people are told."""

    @property
    def stride(self) -> int | None:
        """See `SRNetwork`; every size of the features is half the one above."""
        return 2 ** (len(self.channels) - 1)

    @abstractmethod
    def forward(self, lr: Tensor, reconstruct: bool = True) -> RealismOutput:
        """Describe the image `lr`, (N, 3, h, w) in [0, 1].

        Without `reconstruct` the reconstruction is the image as it is.
        """


class RestorationNet(nn.Module, ABC):
    """Stage 2: a UNet that restores structure and texture from what stage 1 found."""

    scale: int
    stride: int | None = None
    """See `SRNetwork`."""

    @abstractmethod
    def forward(self, lr: Tensor, realism: RealismOutput) -> RestorationOutput:
        """Enlarge `lr`, (N, 3, h, w) in [0, 1], by `scale` with stage 1's output for it."""

    def enlarged(self, lr: Tensor, realism: RealismOutput) -> Tensor:
        """The super-resolved image alone, but for rounding to the same values: (N, 3, s·h, s·w)."""
        return self(lr, realism).sr


class SRNetwork(nn.Module, ABC):
    """Image in, larger image out: a pair of both stages, or a network of one task."""

    scale: int
    realism: RealismNet | None
    """Stage 1, where there is one."""
    stride: int | None = None
    """Pixels by whose multiples a tile may begin: cut off there, and given what the modules of
    `mtlsr.networks.whole_image` see of the whole, the network computes the same as in the whole
    image, as far as it does not see the cut. None: there is no such number, or it is not known."""

    @property
    def first_block(self) -> FirstBlock | None:
        """Stage 1's first block, where there is a stage 1."""
        return None if self.realism is None else self.realism.first_block

    @abstractmethod
    def forward(self, lr: Tensor) -> tuple[RealismOutput | None, RestorationOutput]:
        """Enlarge `lr`, (N, 3, h, w) in [0, 1], of any height and width."""

    @abstractmethod
    def enlarged(self, lr: Tensor) -> Tensor:
        """The super-resolved image alone, but for rounding to the same values: (N, 3, s·h, s·w)."""

    def enlarged_and_read(self, lr: Tensor) -> tuple[Tensor, Tensor | None]:
        """The super-resolved image, and what stage 1 tells people of the image, (N, V), where there
        is a stage 1."""
        return self.enlarged(lr), None

    def deployed(self) -> "SRNetwork":
        """The form that enlarges: the network itself, unless it trains in a form of its own."""
        return self


class TwoStageNetwork(SRNetwork):
    """Both stages as one network: image in, everything that is known about it out.

    Args:
        realism: Stage 1.
        restoration: Stage 2, made for stage 1's channels and vector.
    """

    realism: RealismNet

    def __init__(self, realism: RealismNet, restoration: RestorationNet) -> None:
        super().__init__()
        self.realism = realism
        self.restoration = restoration
        self.scale = restoration.scale
        strides = realism.stride, restoration.stride
        self.stride = None if None in strides else math.lcm(*strides)  # type: ignore[arg-type]

    def forward(self, lr: Tensor) -> tuple[RealismOutput, RestorationOutput]:
        realism = self.realism(lr)
        return realism, self.restoration(lr, realism)

    def enlarged(self, lr: Tensor) -> Tensor:
        return self.enlarged_and_read(lr)[0]

    def enlarged_and_read(self, lr: Tensor) -> tuple[Tensor, Tensor]:
        realism = self.realism(lr, reconstruct=False)
        return self.restoration.enlarged(lr, realism), realism.reading


class SingleTaskNetwork(SRNetwork):
    """A network of one task, the larger image: for comparison with pairs.

    Args:
        scale: Enlargement.
        stride: See `SRNetwork`.
    """

    realism: None = None

    def __init__(self, scale: int, stride: int | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.stride = stride

    @abstractmethod
    def enlarge(self, lr: Tensor) -> Tensor:
        """Enlarge `lr`, (N, 3, h, w) in [0, 1], by `scale`: (N, 3, s·h, s·w)."""

    def forward(self, lr: Tensor) -> tuple[None, RestorationOutput]:
        sr = self.enlarged(lr)
        return None, RestorationOutput(shared=None, structure=None, texture=None, sr=sr)

    def enlarged(self, lr: Tensor) -> Tensor:
        return widened(self.enlarge(lr))
