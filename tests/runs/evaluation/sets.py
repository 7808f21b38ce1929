"""Small sets of images and outputs of known figures, for the tests of this room."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mtlsr.data.images import write_image
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.data.resize import bicubic_upscale
from mtlsr.inference.methods.base import Method, UInt8

SIZES = [(40, 48), (48, 40), (41, 51), (40, 48), (44, 44), (48, 40), (40, 49)]
"""Of high resolution; cut to multiples of 2 some are equal that were not."""


def write_set(folder: Path, sizes: Sequence[tuple[int, int]] = SIZES, seed: int = 0) -> list[Path]:
    """Smooth random images of these sizes, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    files = []
    for index, (height, width) in enumerate(sizes):
        coarse = rng.integers(0, 256, (-(-height // 4), -(-width // 4), 3), dtype=np.uint8)
        files.append(folder / f"{index}.png")
        write_image(files[-1], bicubic_upscale(coarse, 4)[:height, :width])
    return files


def write_outputs(folder: Path, images: EvaluationSet, seed: int = 1) -> None:
    """What another program might make of a set: HR with noise."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for pair in images:
        noise = rng.integers(-9, 10, pair.hr.shape)
        noisy = np.clip(pair.hr + noise, 0, 255).astype(np.uint8)
        write_image(folder / f"{pair.name}.png", noisy)


class Made(Method):
    """Outputs by a function of a pair."""

    def __init__(self, make: Callable[[EvaluationPair], UInt8]) -> None:
        self.make = make
        self.batches: list[int] = []

    def __call__(self, pairs: Sequence[EvaluationPair]) -> list[UInt8]:
        assert len({pair.lr.shape for pair in pairs}) == 1
        self.batches.append(len(pairs))
        return [self.make(pair) for pair in pairs]
