"""Tiles of an image that come out of a network as they do of the whole image.

Three things make them so. A tile sees its surroundings as far as the network does
(`mtlsr.networks.measure.reach`), up to the image's borders, where the network continues the image
as it always does. It begins at a multiple of the network's stride. And what a network looks at in
the whole image (`mtlsr.networks.whole_image`) is added up over all tiles first: one pass through
the network's beginning for each thing that hangs on those before it.

Measured on CPUs, the convolutions of torch and oneDNN then give the same bits for every size, in
bfloat16 and in float32, but for two things. Small float32 inputs are not handed to oneDNN: so no
window is smaller than `LEAST`. And on processors with AMX, oneDNN adds up a convolution of few
channels in bfloat16, such as the first one of an image, in another order where its output is
narrow: so no window is narrower than `NARROWEST` pixels of the network's smallest maps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from torch import Tensor

from mtlsr.data.resize import LEAST_FOR_ONEDNN
from mtlsr.inference.conversion import to_floats
from mtlsr.networks.base import SRNetwork
from mtlsr.networks.whole_image import CELL, Answer, Sums, WholeImage, answered

LEAST = LEAST_FOR_ONEDNN
"""Pixels of a window at the least, where the image has as many: every layer of these networks has
one number or more for each pixel."""

NARROWEST = 48
"""Columns of a network's smallest maps at the least, where the image has as many."""


@dataclass(frozen=True)
class Cut:
    """How a network's images are cut into tiles."""

    side: int
    """Of a tile, in low-resolution pixels."""
    stride: int
    """See `SRNetwork`."""
    reach: int
    """See `mtlsr.networks.measure.reach`."""

    def windows(self, rows: slice, columns: slice, height: int, width: int) -> tuple[slice, slice]:
        """What a network has to see of an image, to enlarge this part of it as in the whole."""
        least = min(width, round(LEAST**0.5) + 1)
        seen_rows = self._window(rows, height, -(-LEAST // least))
        enough = max(-(-LEAST // (seen_rows.stop - seen_rows.start)), NARROWEST * self.stride)
        seen_columns = self._window(columns, width, enough)
        return seen_rows, seen_columns

    def _window(self, part: slice, size: int, least: int) -> slice:
        start = max(0, part.start // self.stride * self.stride - self.reach)
        stop = min(size, -(-part.stop // self.stride) * self.stride + self.reach)
        stop = min(size, max(stop, start + -(-least // self.stride) * self.stride))
        return slice(max(0, min(start, (stop - least) // self.stride * self.stride)), stop)


def stretches(size: int, side: int) -> list[slice]:
    """An axis in stretches of one length; the last may be shorter."""
    return [slice(start, min(start + side, size)) for start in range(0, size, side)]


@dataclass(frozen=True)
class Seen:
    """What becomes of a part of an image."""

    sr: Tensor
    """Float (N, 3, s·rows, s·columns), not clamped."""
    vector: Tensor | None
    """Realism vector of the whole image (N, V), where there is a stage 1; not clamped."""
    structure: Tensor | None = None
    """Predicted structure map (N, K, s·rows, s·columns), where it is wanted and there is one."""
    texture: Tensor | None = None
    """Predicted detail (N, 3, s·rows, s·columns), likewise."""


class TiledImage:
    """One image on its way through a network, ready to be enlarged part by part.

    Args:
        network: In evaluation mode.
        lr: uint8 or float (N, 3, h, w); the parts of it go to the network's device.
        cut: How it is cut; None: it is enlarged as a whole.
        passed: Called with the number of tiles that were looked at.
    """

    def __init__(
        self, network: SRNetwork, lr: Tensor, cut: Cut | None, passed: Callable[[int], None]
    ) -> None:
        self.network = network
        self.lr = lr
        self.cut = cut
        self.answers: Mapping[WholeImage, Answer] = {}
        if cut is not None:
            self.answers = dict(self._whole_image(cut, passed))

    def enlarged(self, rows: slice, columns: slice, maps: bool = False) -> Seen:
        """What becomes of any part, of the whole image where it is not cut; with the maps or not,
        which take more memory than the image itself."""
        height, width = self.lr.shape[2:]
        whole = slice(0, height), slice(0, width)
        seen_rows, seen_columns = (
            whole if self.cut is None else self.cut.windows(rows, columns, height, width)
        )
        scale = self.network.scale
        down, across = _within(rows, seen_rows, scale), _within(columns, seen_columns, scale)
        window = self._given(seen_rows, seen_columns)
        with answered(self.answers):
            if not maps:
                sr, vector = self.network.enlarged_and_read(window)
                return Seen(sr[:, :, down, across], vector)
            realism, restored = self.network(window)
        structure, texture = (
            None if x is None else x[:, :, down, across]
            for x in (restored.structure, restored.texture)
        )
        vector = None if realism is None else realism.reading
        return Seen(restored.sr[:, :, down, across], vector, structure, texture)

    def _given(self, rows: slice, columns: slice) -> Tensor:
        device = next(self.network.parameters()).device
        return to_floats(self.lr[:, :, rows, columns], device)

    def _whole_image(
        self, cut: Cut, passed: Callable[[int], None]
    ) -> Iterator[tuple[WholeImage, Answer]]:
        """The answers for every module that looks at the whole image, in their order."""
        modules = whole_image_modules(self.network)
        found: dict[WholeImage, Answer] = {}
        height, width = self.lr.shape[2:]
        tiles = statistics_tiles(cut, height, width)
        while len(found) < len(modules):
            module, total = None, None
            for rows, columns in tiles:
                seen = cut.windows(rows, columns, height, width)
                reached = self._first_question(modules, found, self._given(*seen))
                passed(1)
                if reached is None:
                    return  # the others are not asked
                module, maps = reached
                parts = [_part(x, rows, columns, seen) for x in maps]
                sums = Sums.of(parts, module.squared)
                total = sums if total is None else total + sums
            assert module is not None and total is not None
            found[module] = _told(total)
            yield module, found[module]

    def _first_question(
        self, modules: Sequence[WholeImage], known: Mapping[WholeImage, Answer], window: Tensor
    ) -> tuple[WholeImage, Sequence[Tensor]] | None:
        """Run the network until something is asked that is not known: who asked, of which maps."""
        asking = {module: _asking(module) for module in modules if module not in known}
        with answered({**known, **asking}):
            try:
                self.network(window)
            except _Asked as asked:
                return asked.module, asked.maps
        return None


def whole_image_modules(network: SRNetwork) -> list[WholeImage]:
    """What in the network looks at the whole image."""
    return [module for module in network.modules() if isinstance(module, WholeImage)]


def statistics_tiles(cut: Cut, height: int, width: int) -> list[tuple[slice, slice]]:
    """Tiles whose borders lie on the grid of cells of all maps, for what is added up over them."""
    grid = CELL * cut.stride
    side = max(cut.side, round(LEAST**0.5)) // grid * grid or grid
    return list(product(stretches(height, side), stretches(width, side)))


class _Asked(Exception):
    """Ends a pass through the network where its question is."""

    def __init__(self, module: WholeImage, maps: Sequence[Tensor]) -> None:
        self.module = module
        self.maps = maps


def _asking(module: WholeImage) -> Answer:
    def ask(maps: Sequence[Tensor]) -> Sums:
        raise _Asked(module, maps)

    return ask


def _told(sums: Sums) -> Answer:
    return lambda maps: sums


def _within(part: slice, window: slice, scale: int) -> slice:
    return slice(scale * (part.start - window.start), scale * (part.stop - window.start))


def _part(x: Tensor, rows: slice, columns: slice, seen: tuple[slice, slice]) -> Tensor:
    """The part of a window's maps that belongs to a tile."""
    heights, widths = (window.stop - window.start for window in seen)
    shrunk = _shrinking((heights, widths), (x.shape[2], x.shape[3]))
    cut = [
        slice((part.start - window.start) // shrunk, -(-(part.stop - window.start) // shrunk))
        for part, window in zip((rows, columns), seen, strict=True)
    ]
    return x[:, :, cut[0], cut[1]]


def _shrinking(size: tuple[int, int], own: tuple[int, int]) -> int:
    """The k for which maps have ceil(h / k) rows and ceil(w / k) columns."""
    for k in range(1, max(size) + 1):
        if (-(-size[0] // k), -(-size[1] // k)) == own:
            return k
    raise AssertionError(f"Maps of {own} do not go with an image of {size}.")
