"""Self-ensemble: the mean of what a network makes of an image's eight turns and mirrorings.

"Geometric self-ensemble" of Lim et al. 2017 (EDSR, arXiv:1707.02921), after Timofte et al. 2016
(arXiv:1511.02228): a network is not quite the same in all directions, and the mean of eight views
costs nothing but time.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

VIEWS = range(8)
"""The symmetries of a square by number: 1 mirrors columns, 2 rows, 4 swaps the two axes first."""


def viewed(image: Tensor, view: int) -> Tensor:
    """Turn or mirror an image (N, C, h, w); 0 leaves it as it is, and copies nothing."""
    if view == 0:
        return image
    return image.mT.flip(_mirrored(view)) if view & 4 else image.flip(_mirrored(view))


def viewed_back(image: Tensor, view: int) -> Tensor:
    """Undo `viewed`."""
    mirrored = image.flip(_mirrored(view)) if view & 3 else image
    return mirrored.mT if view & 4 else mirrored


def _mirrored(view: int) -> list[int]:
    return [axis for bit, axis in ((1, -1), (2, -2)) if view & bit]


def part_of_view(
    rows: slice, columns: slice, size: tuple[int, int], view: int
) -> tuple[slice, slice]:
    """Where a part of an image of height and width `size` lies in its view: rows and columns."""
    parts, sizes = (rows, columns), size
    if view & 4:
        parts, sizes = parts[::-1], sizes[::-1]
    down, across = (
        slice(length - part.stop, length - part.start) if view & bit else part
        for part, length, bit in zip(parts, sizes, (2, 1), strict=True)
    )
    return down, across


def mean_of_views(enlarged: Callable[[int], Tensor], views: Sequence[int] = VIEWS) -> Tensor:
    """The mean over views in float32; clamped it is afterwards, as in the authors' code.

    Args:
        enlarged: The number of a view -> what the network makes of it, not turned back.
        views: Those that count.
    """
    first, *others = views
    mean = viewed_back(enlarged(first).float(), first)
    if others:
        mean = mean.clone(memory_format=torch.contiguous_format)  # ours, to add to
        for view in others:
            mean.add_(viewed_back(enlarged(view).float(), view))
        mean.div_(len(views))
    return mean


def self_ensemble(enlarge: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """The function that gives the mean over an image's eight views of what `enlarge` gives.

    Args:
        enlarge: Float (N, 3, h, w) -> (N, 3, s·h, s·w); it sees the views in channels-last order.
    """

    def enlarged(lr: Tensor) -> Tensor:
        return mean_of_views(
            lambda view: enlarge(viewed(lr, view).contiguous(memory_format=torch.channels_last))
        )

    return enlarged
