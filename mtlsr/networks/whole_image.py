"""What a network asks of the whole image at once, and how tiles of the image can be told it.

A network looks at the whole image through the modules of this file and through nothing else. Then
an image may be enlarged tile by tile: the sums over all tiles are added up first, and each tile is
given what the whole image says.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.blocks import crop_like
from mtlsr.objective.precision import widened

CELL = 16
"""Side of the squares whose sums are added up, in pixels of the maps."""


@dataclass
class Sums:
    """Sums over an image, or over a part of it, of every channel of several maps."""

    values: Tensor
    """(N, ΣC), float64 where the device has it."""
    squares: Tensor
    """Sums of the squares, likewise."""
    pixels: Tensor
    """How many pixels each channel has, (ΣC,)."""

    @classmethod
    def of(cls, maps: Sequence[Tensor], squared: bool = True) -> "Sums":
        """Sum up maps (N, C_i, h_i, w_i); the squares only where they are wanted, else 0.

        Each cell of a fixed grid is summed by itself in float32, the cells in float64, so that the
        sum does not depend on where the image was cut: along the grid, the cells stay the same.
        """
        values, squares, pixels = zip(*(_sums(widened(x), squared) for x in maps), strict=True)
        return cls(torch.cat(values, dim=1), torch.cat(squares, dim=1), torch.cat(pixels))

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.values + other.values,
            self.squares + other.squares,
            self.pixels + other.pixels,
        )

    def mean(self) -> Tensor:
        """Of every channel, (N, ΣC)."""
        return self.values / self.pixels

    def variance(self) -> Tensor:
        """Of every channel, (N, ΣC)."""
        return (self.squares / self.pixels - self.mean().square()).clamp(min=0)


Answer = Callable[[Sequence[Tensor]], Sums]


class _Answers(threading.local):
    """What is answered, of each thread its own: threads that share a network see other images."""

    def __init__(self) -> None:
        self.known: Mapping[WholeImage, Answer] = {}


_ANSWERS = _Answers()


class WholeImage(nn.Module):
    """Looks at maps (N, C_i, ·, ·) of the whole image; called once an image.

    The maps are of the image's height and width h, w, or of ceil(h / k), ceil(w / k) for a k that
    divides the network's stride.
    """

    squared: bool
    """Whether it asks for the squares."""

    @property
    def answer(self) -> Answer | None:
        """Answers for the whole image where the maps are a part of it; see `answered`."""
        return _ANSWERS.known.get(self)

    def _sums(self, maps: Sequence[Tensor]) -> Sums:
        return Sums.of(maps, self.squared) if self.answer is None else self.answer(maps)

    def _plain(self) -> bool:
        """Whether torch's own reductions do: nothing is cut, and cells would only take time."""
        return self.answer is None and (self.training or torch.compiler.is_compiling())


class GlobalMean(WholeImage):
    """Mean of every channel over all pixels, (N, ΣC), in float32 at least."""

    squared = False

    def forward(self, *maps: Tensor) -> Tensor:
        if self._plain():
            return torch.cat([widened(x).mean(dim=(-2, -1)) for x in maps], dim=1)
        return self._sums(maps).mean().to(widened(maps[0]).dtype)


class GlobalMoments(WholeImage):
    """Mean and variance of every channel over all pixels, (N, ΣC) each, in float32 at least."""

    squared = True

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor]:
        if self._plain():
            wide = [widened(x) for x in maps]
            means = [x.mean(dim=(-2, -1)) for x in wide]
            # torch's own variance takes several times as long on channels-last maps.
            rests = [x - m[..., None, None] for x, m in zip(wide, means, strict=True)]
            variances = [rest.square().mean(dim=(-2, -1)) for rest in rests]
            return torch.cat(means, dim=1), torch.cat(variances, dim=1)
        sums, dtype = self._sums(maps), widened(maps[0]).dtype
        return sums.mean().to(dtype), sums.variance().to(dtype)


@contextmanager
def answered(answers: Mapping[WholeImage, Answer]) -> Iterator[None]:
    """Within it, these modules do not look at their maps, but ask; in this thread alone."""
    before = _ANSWERS.known
    _ANSWERS.known = {**before, **answers}
    try:
        yield
    finally:
        _ANSWERS.known = before


def _sums(x: Tensor, squared: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Sums of x (N, C, h, w), sums of its squares, and pixels: (N, C) twice and (C,).

    A cell of n pixels with the mean m adds n·m, and n·m² + Σ(x - m)²: where x hardly varies, x²
    would lose the variance to rounding.
    """
    n = _cells(torch.ones_like(x[:1, :1]))
    means = _cells(x) / n
    precise = torch.float32 if x.device.type == "mps" else torch.float64  # which mps lacks
    n, m = n.to(precise), means.to(precise)
    values, pixels = (n * m).sum(dim=(-2, -1)), n.sum().expand(x.shape[1])
    if not squared:
        return values, torch.zeros_like(values), pixels
    rest = x - crop_like(F.interpolate(means, scale_factor=float(CELL), mode="nearest"), x)
    squares = n * m.square() + _cells(rest.square_()).to(precise)
    return values, squares.sum(dim=(-2, -1)), pixels


def _cells(x: Tensor) -> Tensor:
    """The sum of every cell, (N, C, ceil(h / CELL), ceil(w / CELL))."""
    return F.avg_pool2d(x, CELL, ceil_mode=True, divisor_override=1)
