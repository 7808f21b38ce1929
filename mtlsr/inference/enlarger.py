"""An image through a network: at once or in tiles, seen once or from eight sides."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product

import torch
from torch import Tensor

from mtlsr.errors import UserError
from mtlsr.inference.device import computing, ready
from mtlsr.inference.ensemble import VIEWS, mean_of_views, part_of_view, viewed
from mtlsr.inference.memory import budget, bytes_for_pixel
from mtlsr.inference.tiling import (
    Cut,
    Seen,
    TiledImage,
    statistics_tiles,
    stretches,
    whole_image_modules,
)
from mtlsr.networks.base import SRNetwork
from mtlsr.networks.measure import reach

AUTO = "auto"

SMALLEST = 32
"""Side of the tiles that `auto` chooses, at the least."""

Progress = Callable[[int, int], None]
"""Told how many tiles have been looked at, and how many there are to look at."""


@dataclass(frozen=True)
class Piece:
    """A part of an enlarged image."""

    rows: slice
    """In high-resolution pixels."""
    columns: slice
    """Likewise."""
    image: Tensor
    """Float (N, 3, rows, columns), not clamped."""
    seen: Seen
    """What is known beside it, of the image as it lies and none of its other views."""


class Enlarger:
    """Enlarges images by a network, to the same values in tiles as at once.

    Args:
        network: It is moved to the device and set to evaluation.
        device: Where it computes.
        precision: In which numbers.
        tile: Side of the tiles that an image is cut into, in low-resolution pixels, rounded down to
            the network's stride; None: the image is enlarged at once; `auto`: at once where a
            network cannot be cut or the image fits the memory, else as large as fit it.
        self_ensemble: Whether the mean over the eight views of an image is taken.

    Raises:
        UserError: `tile` is something else, or a number although the network cannot be cut.
    """

    def __init__(
        self,
        network: SRNetwork,
        device: torch.device,
        precision: torch.dtype,
        tile: int | str | None = None,
        self_ensemble: bool = False,
    ) -> None:
        self.network = ready(network, device)
        self.device = device
        self.precision = precision
        self.tile = checked_tile(tile)
        self.views = list(VIEWS) if self_ensemble else [0]
        if isinstance(tile, int):
            self._cut(tile)  # refuses

    def __call__(self, lr: Tensor) -> Tensor:
        """Enlarge uint8 or float (N, 3, h, w): float32 (N, 3, s·h, s·w) on the device."""
        batch, _, height, width = lr.shape
        size = (self.network.scale * height, self.network.scale * width)
        sr: Tensor | None = None
        for piece in self.pieces(lr):
            if sr is None:
                if piece.image.shape[2:] == size:
                    return piece.image
                sr = piece.image.new_empty(batch, 3, *size)
            sr[:, :, piece.rows, piece.columns] = piece.image
        assert sr is not None
        return sr

    def pieces(
        self, lr: Tensor, progress: Progress | None = None, maps: bool = False
    ) -> Iterator[Piece]:
        """Enlarge row of tiles by row of tiles, each from left to right.

        Args:
            lr: uint8 or float (N, 3, h, w); where it lies does not matter.
            progress: Called after every tile.
            maps: Whether the maps of structure and texture are wanted.

        Raises:
            UserError: A tile is too large for the memory.
        """
        size = height, width = lr.shape[2], lr.shape[3]
        try:
            cut = self._cut_for(lr)
            side = max(size) if cut is None else cut.side
            rows, columns = stretches(height, side), stretches(width, side)
            passed = self._counting(cut, len(rows) * len(columns), size, progress)
            with computing(self.device, self.precision):
                images = {
                    view: TiledImage(self.network, viewed(lr, view), cut, passed)
                    for view in self.views
                }
            for part in product(rows, columns):
                with computing(self.device, self.precision):
                    seen = images[0].enlarged(*part, maps)
                    others = partial(self._seen, images, part, size, seen.sr)
                    image = mean_of_views(others, self.views)
                passed(len(self.views))
                down, across = (_times(self.network.scale, each) for each in part)
                yield Piece(down, across, image, seen)
        except RuntimeError as error:
            if "memory" not in str(error):  # the word of both CUDA's and the CPU's allocator
                raise
            raise UserError(
                f"The image of {height}x{width} pixels is too large for the memory of "
                f"{self.device}" + ("." if self.tile == AUTO else "; tile=auto cuts it.")
            ) from error

    def _seen(
        self,
        images: Mapping[int, TiledImage],
        part: tuple[slice, slice],
        size: tuple[int, int],
        upright: Tensor,
        view: int,
    ) -> Tensor:
        return images[view].enlarged(*part_of_view(*part, size, view)).sr if view else upright

    def _cut_for(self, lr: Tensor) -> Cut | None:
        """How an image is cut; None where it is not."""
        batch, _, height, width = lr.shape
        if isinstance(self.tile, int):
            return None if self.tile >= max(height, width) else self._cut(self.tile)
        if self.tile is None or self.network.stride is None:
            return None
        with computing(self.device, self.precision):
            fitting = budget(self.device) / (batch * self._bytes_for_pixel)
        if height * width <= fitting or self._reach is None:
            return None
        return self._cut(max(SMALLEST, int(fitting**0.5) - 2 * self._reach))

    def _cut(self, side: int) -> Cut:
        stride, reached = self.network.stride, None
        if stride is not None:
            reached = self._reach
        if stride is None or reached is None:
            raise UserError(
                f"tile is {side}, but this network ({type(self.network).__name__}) cannot be cut "
                "into tiles: what it makes of a pixel hangs on the whole image. "
                "tile=null and tile=auto enlarge it as a whole."
            )
        return Cut(max(stride, side // stride * stride), stride, reached)

    @cached_property
    def _reach(self) -> int | None:
        return reach(self.network)

    @cached_property
    def _bytes_for_pixel(self) -> float:
        return bytes_for_pixel(self.network, self.device)

    def _counting(
        self, cut: Cut | None, tiles: int, size: tuple[int, int], progress: Progress | None
    ) -> Callable[[int], None]:
        """What is called with the number of tiles that were looked at."""
        total = tiles
        if cut is not None:
            total += len(statistics_tiles(cut, *size)) * len(whole_image_modules(self.network))
        total *= len(self.views)
        done = 0

        def passed(count: int) -> None:
            nonlocal done
            done += count
            if progress is not None:
                progress(min(done, total), total)

        return passed


def checked_tile(tile: int | str | None) -> int | str | None:
    """Refuse what is no side of tiles.

    Raises:
        UserError: It is neither a whole number from 1 on, nor `auto`, nor None.
    """
    if tile is None or tile == AUTO or (type(tile) is int and tile > 0):
        return tile
    raise UserError(
        f"tile is {tile!r}; a whole number of low-resolution pixels from 1 on, {AUTO} or null "
        "is needed."
    )


def _times(scale: int, part: slice) -> slice:
    return slice(scale * part.start, scale * part.stop)
