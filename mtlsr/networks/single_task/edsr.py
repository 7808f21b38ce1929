"""EDSR: residual blocks without normalisation at low-resolution size.

Lim, Son, Kim, Nah and Lee, "Enhanced deep residual networks for single image super-resolution",
CVPR workshops 2017, arXiv:1707.02921.
"""

from torch import Tensor, nn

from mtlsr.networks.base import SingleTaskNetwork
from mtlsr.networks.blocks import ResidualUnit, centred, check_at_least
from mtlsr.networks.single_task.start import carry_image, interpolate_image, quieten, see_detail


class EDSR(SingleTaskNetwork):
    """The paper's baseline: 16 residual blocks of 64 channels.

    1,517,571 parameters and 114.23 G multiply-adds for 1280×720 at ×4 (×2 1,369,859, ×3 1,554,499
    parameters). Grey takes the place of DIV2K's mean colour, which is no parameter either.

    Args:
        scale: Enlargement, 2, 3 or 4; by 4 in two steps.
        channels: Of the features, at least 3.
        blocks: Residual blocks.
    """

    def __init__(self, scale: int, channels: int = 64, blocks: int = 16) -> None:
        super().__init__(scale, stride=1)
        check_at_least("channels", channels, 3)
        check_at_least("blocks", blocks, 1)
        self.head = nn.Conv2d(3, channels, 3, padding=1)
        self.body = nn.Sequential(
            *(ResidualUnit(channels) for _ in range(blocks)),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        enlarging: list[nn.Module] = []
        for step in {2: (2,), 3: (3,), 4: (2, 2)}[scale]:
            convolution = nn.Conv2d(channels, channels * step**2, 3, padding=1)
            interpolate_image(convolution, step)
            enlarging += [convolution, nn.PixelShuffle(step)]
        self.tail = nn.Sequential(*enlarging, nn.Conv2d(channels, 3, 3, padding=1))
        see_detail(self.head)
        carry_image(self.head)
        quieten(self.body[-1])  # type: ignore[arg-type]
        carry_image(self.tail[-1])  # type: ignore[arg-type]

    def enlarge(self, lr: Tensor) -> Tensor:
        features = self.head(centred(lr))
        return self.tail(features + self.body(features)) + 0.5
