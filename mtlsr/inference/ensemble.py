"""Self-ensemble: the mean of what a network makes of an image's eight turns and mirrorings.

"Geometric self-ensemble" of Lim et al. 2017 (EDSR, arXiv:1707.02921), after Timofte et al. 2016
(arXiv:1511.02228): a network is not quite the same in all directions, and the mean of eight views
costs nothing but time.
"""

from collections.abc import Callable

import torch
from torch import Tensor

VIEWS = range(8)
"""The symmetries of a square by number: 1 mirrors columns, 2 rows, 4 swaps the two axes first."""


def viewed(image: Tensor, view: int) -> Tensor:
    """Turn or mirror an image (N, C, h, w); 0 leaves it as it is."""
    return image.mT.flip(_mirrored(view)) if view & 4 else image.flip(_mirrored(view))


def viewed_back(image: Tensor, view: int) -> Tensor:
    """Undo `viewed`."""
    mirrored = image.flip(_mirrored(view))
    return mirrored.mT if view & 4 else mirrored


def _mirrored(view: int) -> list[int]:
    return [axis for bit, axis in ((1, -1), (2, -2)) if view & bit]


def self_ensemble(enlarge: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A function of an image that gives the mean over its eight views, turned back, in float32.

    Args:
        enlarge: Float (N, 3, h, w) -> (N, 3, s·h, s·w); it sees the views in channels-last order.
    """

    def mean(lr: Tensor) -> Tensor:
        total: Tensor | None = None
        for view in VIEWS:
            given = viewed(lr, view).contiguous(memory_format=torch.channels_last)
            seen = viewed_back(enlarge(given).float(), view)
            total = seen.contiguous() if total is None else total.add_(seen)
        assert total is not None
        return total / len(VIEWS)

    return mean
