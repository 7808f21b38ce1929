"""Training samples: number k of a stream that seed and stream number define, and nothing else."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mtlsr.data.augment import dihedral
from mtlsr.data.degradation import Degradation, Draws
from mtlsr.data.store import Store

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """One patch at both resolutions, RGB."""

    lr: UInt8
    """``(p, p, 3)``, degraded: what a network gets."""
    lr_clean: UInt8
    """``(p, p, 3)``, as bicubic down-scaling made it."""
    hr: UInt8 | None
    """``(scale*p, scale*p, 3)``, or None where only low resolution is wanted."""
    degradation: NDArray[np.float32]
    """``(V,)`` in [0, 1], strengths by the degradation's ``names``; all zero: lr is lr_clean."""
    draws: Draws | None = None
    """Where the degradation is deferred, and lr still clean: what is to be done to it."""


class SampleDataset(Dataset[Sample]):
    """Sample k is a pure function of (seed, stream, k): photograph, crop, turn, degradation, noise.

    So the stream is the same for every number of workers and processes, two seeds really differ,
    and going on at sample k costs nothing. It has no end and no length: a batch sampler says which
    numbers are wanted (``loader.CountedBatches``).

    A photograph with n crop positions is drawn with a probability proportional to n^balance, and
    then each of its positions with the same. Where the photographs are several parts, each part is
    drawn with a probability proportional to its weight, and within it the same holds. What the
    store has shrunk is a photograph more of the same part, but where it is smaller than a patch.
    """

    def __init__(
        self,
        store: Store,
        patch: int,
        seed: int,
        degradation: Degradation,
        stream: int = 0,
        with_hr: bool = True,
        balance: float = 1.0,
        parts: Sequence[tuple[int, float]] = (),
        deferred: bool = False,
    ) -> None:
        """
        Args:
            store: photographs at both resolutions.
            patch: side of a patch in low-resolution pixels.
            seed: 0 or more.
            degradation: what happens to ``lr``; ``degradation.bicubic`` leaves it clean.
            stream: 0 or more; different streams of a seed are independent (one a stage).
            with_hr: whether samples carry high resolution. The draws are the same either way.
            balance: 1 makes every position of every photograph equally likely, 0 every photograph,
                however large.
            parts: number of photographs and weight, above 0, of each part, in the store's order;
                empty: one part.
            deferred: leave the degradation to ``Batch.floats``, on the training device. Strengths
                and noise are the same; single pixels may differ by one level.

        Raises:
            ValueError: a photograph is smaller than a patch, the parts are not as many photographs
                as the store's, the degradation cannot be deferred, or a number is out of range.
        """
        scale = store.scale
        if patch < 1:
            raise ValueError(f"patch is {patch}: at least 1 pixel is needed.")
        if not (0 <= seed < 2**64 and 0 <= stream < 2**64):
            raise ValueError(
                f"seed is {seed} and stream is {stream}: "
                "whole numbers from 0 to 2^64 - 1 are needed."
            )
        # A photograph stands before what was made of it.
        own = np.diff(store.photographs, prepend=-1)
        for name, (height, width), whole in zip(store.names, store.lr_sizes, own, strict=True):
            if whole and min(height, width) < patch:
                raise ValueError(
                    f"The photograph {name} has {height * scale}x{width * scale} pixels; "
                    f"patches of {patch} at scale {scale} need at least "
                    f"{patch * scale}x{patch * scale}."
                )
        if deferred and not degradation.batched:
            raise ValueError(
                f"{degradation} cannot be deferred: it needs a codec, or does nothing."
            )
        self.store = store
        self.scale = scale
        self.patch = patch
        self.seed = seed
        self.degradation = degradation
        self.stream = stream
        self.with_hr = with_hr
        self.balance = balance
        self.deferred = deferred
        self._generator = _Counted(seed, stream)
        self._columns = [width - patch + 1 for _, width in store.lr_sizes]
        self._positions = [
            max(0, height - patch + 1) * max(0, width - patch + 1)
            for height, width in store.lr_sizes
        ]
        positions = np.asarray(self._positions, dtype=np.float64)
        shares = np.where(positions > 0, positions**balance, 0)
        ends = np.cumsum(_weighed(shares, store.photographs, parts) if parts else shares)
        self._ends: list[float] = (ends / ends[-1]).tolist()

    def __getitem__(self, k: int) -> Sample:
        """Sample ``k``, 0 or more."""
        return self._sample(self._generator.at(k))

    def __getitems__(self, numbers: Sequence[int]) -> list[Sample]:
        """Several samples: the same as one by one."""
        return [self._sample(self._generator.at(k)) for k in numbers]

    def draw(self, k: int) -> tuple[int, int, int, int]:
        """Where sample ``k`` is cut out.

        Returns:
            Photograph, row and column in low-resolution pixels, and its turn (``dihedral``).
        """
        return self._place(self._generator.at(k))

    def _sample(self, rng: np.random.Generator) -> Sample:
        index, top, left, element = self._place(rng)
        parameters = self.degradation.sample(rng)

        clean = self._patch(self.store.lr(index), top, left, 1, element)
        hr = None
        if self.with_hr:
            hr = self._patch(self.store.hr(index), top, left, self.scale, element)
        if self.deferred:
            draws = self.degradation.draws(parameters, rng, clean.shape)
            return Sample(clean, clean, hr, parameters, draws)
        lr = self.degradation.degrade(clean, parameters, rng) if parameters.any() else clean
        return Sample(lr, clean, hr, parameters)

    def _place(self, rng: np.random.Generator) -> tuple[int, int, int, int]:
        """Draw photograph, row and column of a crop, and its turn."""
        index = bisect_right(self._ends, rng.random())
        top, left = divmod(int(rng.integers(self._positions[index])), self._columns[index])
        return index, top, left, int(rng.integers(8))

    def _patch(self, image: UInt8, top: int, left: int, scale: int, element: int) -> UInt8:
        side = self.patch * scale
        top, left = top * scale, left * scale
        return dihedral(image[top : top + side, left : left + side], element)


class _Counted:
    """A generator that can be put to the beginning of any sample's draws.

    That is twelve times as quick as making one for each sample.
    """

    def __init__(self, seed: int, stream: int) -> None:
        self._philox = np.random.Philox(key=[seed, stream])
        self._state = self._philox.state
        self._generator = np.random.Generator(self._philox)

    def at(self, k: int) -> np.random.Generator:
        """The generator of sample ``k``; the one of an earlier call is the same, and moves."""
        # k is the counter's highest word: each sample has 2^192 draws before the next one's begin.
        self._state["state"]["counter"][3] = k
        self._philox.state = self._state
        return self._generator


def _weighed(
    shares: NDArray[np.float64], photographs: Sequence[int], parts: Sequence[tuple[int, float]]
) -> NDArray[np.float64]:
    """Shares whose sums over the parts are the parts' weights; ``photographs`` as in the store."""
    counts = [count for count, _ in parts]
    total = photographs[-1] + 1
    if min(counts) < 1 or sum(counts) != total:
        raise ValueError(f"parts have {counts} photographs, and the store {total}.")
    for _, weight in parts:
        if not (weight > 0 and math.isfinite(weight)):
            raise ValueError(f"The weight of a part is {weight}: a number above 0 is needed.")
    pieces = np.split(shares, np.searchsorted(photographs, np.cumsum(counts)[:-1]))
    return np.concatenate(
        [weight * piece / piece.sum() for piece, (_, weight) in zip(pieces, parts, strict=True)]
    )
