"""The contract of everything that makes a larger image."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from mtlsr.data.pairs import EvaluationPair, EvaluationSet

UInt8 = NDArray[np.uint8]


class Method(ABC):
    """Makes larger images of the low resolution of pairs."""

    scale: int | None = None
    """Enlargement; None: whatever a pair asks for."""
    precision: str | None = None
    """Numbers that a network computes in; None: it is no network of torch."""
    module: nn.Module | None = None
    """What computes, where its parameters and its work can be counted; takes (1, 3, h, w)."""
    timed: bool = True
    """Whether the time that it takes says something about it."""

    @abstractmethod
    def __call__(self, pairs: Sequence[EvaluationPair]) -> list[UInt8]:
        """Enlarge `lr` of each pair: uint8 (H, W, 3).

        Args:
            pairs: Their low resolution has one size.
        """

    def prepare(self, sets: Iterable[EvaluationSet]) -> None:
        """Look for what it needs to enlarge these sets; called before the first image.

        Raises:
            UserError: Which data set and image, and what is missing.
        """
        return None
