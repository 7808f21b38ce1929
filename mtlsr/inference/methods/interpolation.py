"""Interpolation as a method."""

from collections.abc import Sequence

from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationPair
from mtlsr.inference.methods.base import Method, UInt8


class Interpolation(Method):
    """Enlarges by a kernel, at any scale.

    Args:
        kernel: One of `mtlsr.data.interpolation.METHODS`.
    """

    def __init__(self, kernel: str) -> None:
        self.kernel = kernel

    def __call__(self, pairs: Sequence[EvaluationPair]) -> list[UInt8]:
        return [interpolate(pair.lr, pair.scale, self.kernel) for pair in pairs]
