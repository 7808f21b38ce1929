"""What every degradation is: named strengths that can be drawn and applied."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mtlsr.data.augment import KERNELS
from mtlsr.data.degradation.batched import Draws

UInt8 = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Vector = NDArray[np.float32]
Range = tuple[float, float]


class Degradation(ABC):
    """A way to spoil a low-resolution image by a vector of known strengths.

    Each entry of the vector has a name. It lies in [0, 1]: 0 is absent, 1 the strongest that the
    ranges allow, and the scale between them is linear. All zero is the very image.

    What the vector does not say (the direction of a blur, the noise itself) is drawn by the
    generator that ``degrade`` is given, so that image, vector and generator settle every bit.
    """

    names: ClassVar[tuple[str, ...]]
    """Names of the vector's entries, in their order."""

    @property
    def batched(self) -> bool:
        """Whether whole batches can be degraded on the training device (``degrade_batch``)."""
        return False

    def draws(self, vector: Vector, rng: np.random.Generator, shape: tuple[int, ...]) -> Draws:
        """What ``degrade`` would do to an image of a shape, drawn for ``degrade_batch``.

        Args:
            vector, rng: as for ``degrade``; what ``rng`` draws is the same.
            shape: ``(h, w, 3)``.

        Raises:
            ValueError: it cannot be done in batches, or one of ``degrade``'s reasons.
        """
        raise ValueError(f"{type(self).__name__} cannot be done in batches.")

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Vector:
        """Draw strengths. The number of draws from ``rng`` does not depend on their outcome.

        Returns:
            float32 ``(V,)`` in [0, 1], in the order of ``names``.
        """

    @abstractmethod
    def degrade(self, lr: UInt8, vector: Vector, rng: np.random.Generator) -> UInt8:
        """Degrade a low-resolution image by given strengths.

        Args:
            lr: uint8 ``(h, w, 3)``, RGB; it is left as it is.
            vector: ``(V,)`` in [0, 1], in the order of ``names``.
            rng: draws what the vector does not say.

        Returns:
            uint8 ``(h, w, 3)``; ``lr`` itself where all strengths are zero.

        Raises:
            ValueError: another number of strengths, or one outside [0, 1].
        """

    def strengths(self, vector: Vector) -> dict[str, float]:
        """The vector's entries by name.

        Raises:
            ValueError: another number of strengths, or one outside [0, 1].
        """
        values = np.asarray(vector, np.float64)
        if values.shape != (len(self.names),) or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(
                f"The vector is {vector}: {len(self.names)} numbers from 0 to 1 are needed, for "
                f"{', '.join(self.names)}."
            )
        return dict(zip(self.names, values.tolist(), strict=True))


def settle_ranges(owner: Any, limits: Mapping[str, Range]) -> None:
    """Check the ranges of a frozen dataclass, and keep them as tuples of floats.

    Args:
        owner: whose attributes they are.
        limits: least and greatest value that each range may hold, by the range's name.

    Raises:
        ValueError: not two numbers, the smaller first, within the limits.
    """
    for name, (low, high) in limits.items():
        given = getattr(owner, name)
        pair = tuple(float(value) for value in given)
        if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
            raise ValueError(
                f"{name} is {list(pair)}: two numbers, the smaller first, "
                f"from {low:g} to {high:g} are needed."
            )
        object.__setattr__(owner, name, pair)


def settle_kernels(owner: Any) -> None:
    """Check the attribute ``kernels`` of a frozen dataclass, and keep it as a tuple.

    Raises:
        ValueError: none at all, or one that ``augment.resize`` does not know.
    """
    kernels = tuple(owner.kernels)
    if not kernels or not set(kernels) <= set(KERNELS):
        raise ValueError(
            f"kernels is {list(kernels)}: one or more of {', '.join(KERNELS)} are needed."
        )
    object.__setattr__(owner, "kernels", kernels)


def check_probabilities(owner: Any, *exclusive: tuple[str, str]) -> None:
    """Check every attribute of a dataclass that ends in ``_probability``.

    Args:
        owner: whose attributes they are.
        exclusive: pairs of events of which only one can happen: their probabilities add up to 1 at
            the most.

    Raises:
        ValueError: one is outside [0, 1], or two that exclude each other exceed 1.
    """
    values = {name: vars(owner)[name] for name in vars(owner) if name.endswith("_probability")}
    for name, value in values.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}: a number from 0 to 1 is needed.")
    for one, other in exclusive:
        total = values[f"{one}_probability"] + values[f"{other}_probability"]
        if total > 1:
            raise ValueError(
                f"{one}_probability and {other}_probability add up to {total:g}: only one of the "
                "two can happen, so at most 1 is possible."
            )


def between(range_: Range, share: float) -> float:
    """The value that lies ``share`` of the way up a range."""
    return range_[0] + share * (range_[1] - range_[0])


def strength(value: float, absent: float, strongest: float) -> float:
    """How far a value is on the way from ``absent`` (0) to ``strongest`` (1)."""
    return (value - absent) / (strongest - absent) if strongest != absent else 0.0


def value_of(strength: float, absent: float, strongest: float) -> float:
    """The value that has a strength: the inverse of ``strength``."""
    return absent + strength * (strongest - absent)


def to_uint8(image: Float32) -> UInt8:
    """Round levels to the nearest, halves up, and cut what leaves 0 to 255."""
    return (image + 0.5).clip(0, 255).astype(np.uint8)
