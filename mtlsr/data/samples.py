"""Training samples: number k of a stream that seed and stream number define, and nothing else."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mtlsr.data.augment import dihedral
from mtlsr.data.degradation import DegradationRanges, degrade, sample_parameters
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
    """``(5,)`` in [0, 1], strengths by ``degradation.PARAMETERS``; all zero: lr is lr_clean."""


class SampleDataset(Dataset[Sample]):
    """Sample k is a pure function of (seed, stream, k): photograph, crop, turn, degradation, noise.

    So the stream is the same for every number of workers and processes, two seeds really differ,
    and going on at sample k costs nothing. It has no end and no length: a batch sampler says which
    numbers are wanted (``loader.CountedBatches``).

    A photograph with n crop positions is drawn with a probability proportional to n^balance, and
    then each of its positions with the same.
    """

    def __init__(
        self,
        store: Store,
        scale: int,
        patch: int,
        seed: int,
        degradation: DegradationRanges,
        stream: int = 0,
        with_hr: bool = True,
        balance: float = 1.0,
    ) -> None:
        """
        Args:
            store: photographs at both resolutions.
            scale: the store's.
            patch: side of a patch in low-resolution pixels.
            seed: 0 or more.
            degradation: what happens to ``lr``; ``degradation.bicubic`` leaves it clean.
            stream: 0 or more; different streams of a seed are independent (one a stage).
            with_hr: whether samples carry high resolution. The draws are the same either way.
            balance: 1 makes every position of every photograph equally likely, 0 every photograph,
                however large.

        Raises:
            ValueError: a photograph is smaller than a patch, the store has another scale, or a
                number is out of range.
        """
        if scale != store.scale:
            raise ValueError(f"scale is {scale}, but the store was made for scale {store.scale}.")
        if patch < 1:
            raise ValueError(f"patch is {patch}: at least 1 pixel is needed.")
        if not (0 <= seed < 2**64 and 0 <= stream < 2**64):
            raise ValueError(
                f"seed is {seed} and stream is {stream}: "
                "whole numbers from 0 to 2^64 - 1 are needed."
            )
        for name, (height, width) in zip(store.names, store.lr_sizes, strict=True):
            if min(height, width) < patch:
                raise ValueError(
                    f"The photograph {name} has {height * scale}x{width * scale} pixels; "
                    f"patches of {patch} at scale {scale} need at least "
                    f"{patch * scale}x{patch * scale}."
                )
        self.store = store
        self.scale = scale
        self.patch = patch
        self.seed = seed
        self.degradation = degradation
        self.stream = stream
        self.with_hr = with_hr
        self.balance = balance
        self._columns = [width - patch + 1 for _, width in store.lr_sizes]
        self._positions = [
            (height - patch + 1) * (width - patch + 1) for height, width in store.lr_sizes
        ]
        ends = np.cumsum(np.asarray(self._positions, dtype=np.float64) ** balance)
        self._ends = ends / ends[-1]

    def __getitem__(self, k: int) -> Sample:
        """Sample ``k``, 0 or more."""
        rng = self._generator(k)
        index, top, left = self._position(rng)
        element = int(rng.integers(8))
        parameters = sample_parameters(rng, self.degradation)

        clean = self._patch(self.store.lr(index), top, left, 1, element)
        hr = None
        if self.with_hr:
            hr = self._patch(self.store.hr(index), top, left, self.scale, element)
        lr = degrade(clean, parameters, rng, self.degradation)
        return Sample(lr=lr, lr_clean=clean, hr=hr, degradation=parameters)

    def _generator(self, k: int) -> np.random.Generator:
        # k is the counter's highest word: each sample has 2^192 draws before the next one's begin.
        return np.random.Generator(
            np.random.Philox(key=[self.seed, self.stream], counter=[0, 0, 0, k])
        )

    def _position(self, rng: np.random.Generator) -> tuple[int, int, int]:
        """Draw photograph, row and column of a crop."""
        index = int(np.searchsorted(self._ends, rng.random(), side="right"))
        top, left = divmod(int(rng.integers(self._positions[index])), self._columns[index])
        return index, top, left

    def _patch(self, image: UInt8, top: int, left: int, scale: int, element: int) -> UInt8:
        side = self.patch * scale
        top, left = top * scale, left * scale
        return dihedral(image[top : top + side, left : left + side], element)
