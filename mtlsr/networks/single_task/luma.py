"""Networks of the years when brightness alone was learnt: Y of the network, chroma of bicubic."""

from abc import abstractmethod

from torch import Tensor

from mtlsr.data.colour import RISE, luma
from mtlsr.data.resize import enlarge_and_add
from mtlsr.networks.base import SingleTaskNetwork


def with_luma(image: Tensor, y: Tensor) -> Tensor:
    """`image` with another brightness and the same chroma Cb, Cr.

    Grey has no chroma, so Y rises by δ where R, G and B all rise by δ · 255/219.

    Args:
        image: RGB, (N, 3, H, W) in [0, 1].
        y: Its new Y channel, (N, 1, H, W).

    Returns:
        RGB, (N, 3, H, W). It may leave [0, 1], as not every Y goes with every chroma.
    """
    return image + (y - luma(image)) / RISE


class LumaNet(SingleTaskNetwork):
    """Restores the Y channel of the bicubically enlarged image, and leaves its chroma alone.

    Args:
        scale: Enlargement.
    """

    def __init__(self, scale: int) -> None:
        super().__init__(scale, stride=1)

    @abstractmethod
    def restore(self, y: Tensor) -> Tensor:
        """Restore the Y channel of an enlarged image: (N, 1, H, W) -> (N, 1, H, W)."""

    def enlarge(self, lr: Tensor) -> Tensor:
        base = enlarge_and_add(lr, self.scale)
        return with_luma(base, self.restore(luma(base)))
