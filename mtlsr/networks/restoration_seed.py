"""Stage 2 to the letter of the method: a UNet of (transposed) convolutions and LeakyReLU.

Encoder layers are convolution (plain or dilated) + batch normalisation + LeakyReLU, with kernel
sizes that differ from level to level; decoder layers are transposed convolutions with the mirrored
kernel sizes; every skip connection carries a convolution of its own.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.data.resize import enlarge_and_add
from mtlsr.networks.base import RestorationNet
from mtlsr.networks.blocks import FiLM, check_at_least, check_each_at_least, crop_like
from mtlsr.networks.outputs import RealismOutput, RestorationOutput

SLOPE = 0.2


def encode(inputs: int, outputs: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Convolution (plain or dilated) + batch normalisation + LeakyReLU, size kept."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )


def decode(inputs: int, outputs: int, kernel: int, stride: int, dilation: int = 1) -> nn.Sequential:
    """Transposed convolution (plain or dilated) + normalisation + LeakyReLU: size × stride."""
    reach = dilation * (kernel - 1) + 1
    padding = max(0, (reach - stride + 1) // 2)
    extra = stride - reach + 2 * padding
    return nn.Sequential(
        nn.ConvTranspose2d(
            inputs,
            outputs,
            kernel,
            stride=stride,
            padding=padding,
            output_padding=extra,
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )


class SeedRestoration(RestorationNet):
    """UNet of the method.

    214,939 parameters and 6.86 G multiply-adds for 1280×720 at ×4, over stage 1's `seed` and with
    a structure map of two channels.

    Args:
        channels: Channels of stage 1's features; the widths of this network's levels too.
        vector_size: Length V of the realism vector.
        scale: Enlargement, 2, 3 or 4.
        structure_channels: Channels K of the structure map.
        kernels: Odd kernel size of each encoder level; the decoder mirrors them.
        residual: Add what a decoder layer adds to, x + r as in the units of stage 1. Without it
            hardly any detail survives the chain of normalised layers at first, and training is
            slow to find a way out (README).
    """

    def __init__(
        self,
        channels: Sequence[int],
        vector_size: int,
        scale: int,
        structure_channels: int,
        kernels: Sequence[int] = (3, 5, 3),
        residual: bool = True,
    ) -> None:
        super().__init__()
        check_each_at_least("kernels", kernels, 1)
        if len(kernels) != len(channels) or any(kernel % 2 == 0 for kernel in kernels):
            raise ValueError(
                f"kernels {list(kernels)} must be {len(channels)} odd sizes, "
                "one for each of stage 1's sizes."
            )
        check_at_least("structure_channels", structure_channels, 1)
        if not isinstance(residual, bool):
            raise ValueError(f"residual is {residual!r}; it must be true or false.")
        self.scale = scale
        self.stride = 2 ** (len(channels) - 1)
        self.residual = residual
        self.modulations = nn.ModuleList(FiLM(vector_size, width) for width in channels)
        # Level i sees stage 1's maps of its size and, below the first, the pooled level above.
        self.encoders = nn.ModuleList(
            encode(width + (channels[level - 1] if level else 0), width, kernel, 1 + level % 2)
            for level, (width, kernel) in enumerate(zip(channels, kernels, strict=True))
        )
        pairs = list(zip(channels, channels[1:], kernels[1:], strict=False))
        self.skips = nn.ModuleList(nn.Conv2d(above, above, 3, padding=1) for above, _, _ in pairs)
        self.rises = nn.ModuleList(
            decode(below, above, kernel, 2) for above, below, kernel in pairs
        )
        self.decoders = nn.ModuleList(
            decode(2 * above, above, kernel, 1, dilation=1 + level % 2)
            for level, (above, _, kernel) in enumerate(
                zip(channels, channels[1:], kernels, strict=False)
            )
        )
        steps = {2: (2,), 3: (3,), 4: (2, 2)}[scale]
        width = channels[0]
        # Even kernels for even steps, odd for odd ones: both then lie symmetric on the new pixels.
        self.enlarge = nn.Sequential(
            *(decode(width, width, 2 * step + step % 2, step) for step in steps)
        )
        self.structure = nn.Conv2d(width, structure_channels, 3, padding=1)
        self.texture = nn.Conv2d(width, 3, 3, padding=1)
        self.fuse = nn.Conv2d(structure_channels, 3, 3, padding=1, bias=False)
        # The first output is the bicubic interpolation, all but exactly. From a large random one
        # the quickest way down is to switch the heads off, and then nothing below them learns.
        with torch.no_grad():
            for head in (self.texture, self.fuse):
                head.weight.mul_(0.01)
        for head in (self.texture, self.structure):
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def forward(self, lr: Tensor, realism: RealismOutput) -> RestorationOutput:
        encoded: list[Tensor] = []
        for level, (encoder, modulation) in enumerate(
            zip(self.encoders, self.modulations, strict=True)
        ):
            x = realism.features[level]
            if level:
                above = F.max_pool2d(encoded[-1], 2, ceil_mode=True)
                x = torch.cat([x, above], dim=1)
            encoded.append(modulation(encoder(x), realism.vector))
        x = encoded[-1]
        for level in reversed(range(len(encoded) - 1)):
            skip = self.skips[level](encoded[level])
            x = torch.cat([skip, crop_like(self.rises[level](x), skip)], dim=1)
            x = self._added(skip, self.decoders[level](x))
        for layer in self.enlarge:
            x = self._added(x, layer(x))
        structure = self.structure(x)
        texture = self.texture(x)
        return RestorationOutput(
            shared=x,
            structure=structure,
            texture=texture,
            sr=enlarge_and_add(lr, self.scale) + texture + self.fuse(structure),
        )

    def _added(self, x: Tensor, r: Tensor) -> Tensor:
        """x + r at the size of r, or r alone."""
        if not self.residual:
            return r
        return r + (x if x.shape == r.shape else F.interpolate(x, size=r.shape[-2:]))
