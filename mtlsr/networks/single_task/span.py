"""SPAN: attention without parameters, from the features themselves through an odd function.

Wan, Yu, Li, Chen, Zou, Liu, Yin and Zuo, "Swift parameter-free attention network for efficient
super-resolution", CVPR workshops 2024, arXiv:2311.12770.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.base import SingleTaskNetwork
from mtlsr.networks.blocks import centred, check_at_least
from mtlsr.networks.single_task.start import SHARE, carry_image, interpolate_image


class ReparameterisedConv2d(nn.Module):
    """A 3×3 convolution that trains as 1×1, 3×3 and 1×1 convolutions with a 1×1 skip around them.

    There is nothing between them, so that their product, kernel = leave ∘ middle ∘ enter + skip, is
    one 3×3 kernel (DBB, Ding et al. 2021, arXiv:2103.13425). It is multiplied before the image is
    convolved: less work than the paper's way, which convolves three times. Of the four biases,
    which add up to one, there is one.

    Args:
        inputs: Channels.
        outputs: Channels.
        gain: How many times as wide it trains.
    """

    def __init__(self, inputs: int, outputs: int, gain: int = 2) -> None:
        super().__init__()
        self.enter = nn.Parameter(torch.empty(gain * inputs, inputs))
        self.middle = nn.Parameter(torch.empty(gain * outputs, gain * inputs, 3, 3))
        self.leave = nn.Parameter(torch.empty(outputs, gain * outputs))
        self.skip = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        for weight in (self.enter, self.middle, self.leave, self.skip):
            nn.init.kaiming_uniform_(weight, a=5**0.5)  # as nn.Conv2d does

    def kernel(self) -> Tensor:
        """The product, (outputs, inputs, 3, 3)."""
        device = self.middle.device.type
        with torch.autocast("cpu" if device == "meta" else device, enabled=False):
            product = torch.einsum("om,mnyx,ni->oiyx", self.leave, self.middle, self.enter)
            return product + F.pad(self.skip[..., None, None], (1, 1, 1, 1))

    def merged(self) -> nn.Conv2d:
        """The same as a plain convolution."""
        outputs, inputs = self.skip.shape
        plain = nn.Conv2d(inputs, outputs, 3, padding=1).to(self.skip)
        plain.load_state_dict({"weight": self.kernel().detach(), "bias": self.bias.detach()})
        return plain

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel(), self.bias, padding=1)


class SPAB(nn.Module):
    """Swift parameter-free attention block: (x + h) · (sigmoid(h) - 1/2).

    h is three convolutions of x and SiLU between them.

    Args:
        channels: Of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second, self.third = (
            ReparameterisedConv2d(channels, channels) for _ in range(3)
        )
        # From h = 0 the product would vanish, ever more with every block. Where the paper's images
        # of 0 to 255 open the gates, this does.
        nn.init.constant_(self.third.bias, 0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the block's maps, and what its first convolution says."""
        first = self.first(x)
        h = self.third(F.silu(self.second(F.silu(first))))
        return (x + h) * (torch.sigmoid(h) - 0.5), first


class SPAN(SingleTaskNetwork):
    """Six blocks of 52 channels, which make the paper's 498 thousand parameters at ×4.

    498,208 parameters and 28.63 G multiply-adds for 1280×720 at ×4 (×2 481,324, ×3 488,359
    parameters), with every convolution merged, as the paper counts and as it is deployed; it trains
    with 2,152,034. 48 channels, the default of the authors' code, have 426,288. Where the paper
    takes DIV2K's mean colour off the image and multiplies by 255, only grey is taken off here.

    Args:
        scale: Enlargement.
        channels: Of the features, at least 3.
    """

    def __init__(self, scale: int, channels: int = 52) -> None:
        super().__init__(scale, stride=1)
        check_at_least("channels", channels, 3)
        self.head = ReparameterisedConv2d(3, channels)
        self.blocks = nn.ModuleList(SPAB(channels) for _ in range(6))
        self.refine = ReparameterisedConv2d(channels, channels)
        self.collect = nn.Conv2d(4 * channels, channels, 1)
        self.paint = nn.Conv2d(channels, 3 * scale**2, 3, padding=1)
        with torch.no_grad():  # `see_detail` and `carry_image` of the head
            self.head.leave[:3] *= SHARE
            self.head.skip.sub_(self.head.kernel().sum(dim=(-2, -1)))
            self.head.skip[:3] += torch.eye(3)
        carry_image(self.collect)
        interpolate_image(self.paint, scale)

    def enlarge(self, lr: Tensor) -> Tensor:
        features = x = self.head(centred(lr))
        outputs: list[Tensor] = []
        for block in self.blocks:
            x, first = block(x)
            outputs.append(x)
        collected = self.collect(torch.cat([features, self.refine(x), outputs[0], first], dim=1))
        return F.pixel_shuffle(self.paint(collected), self.scale) + 0.5

    def deployed(self) -> "SPAN":
        """A copy with every convolution merged into a plain one."""
        network = copy.deepcopy(self)
        for module in list(network.modules()):
            for name, child in module.named_children():
                if isinstance(child, ReparameterisedConv2d):
                    setattr(module, name, child.merged())
        return network
