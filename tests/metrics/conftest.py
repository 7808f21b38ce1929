"""Image pairs for the metrics, and the benchmark files where they are present."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Pair = tuple[np.ndarray, np.ndarray]

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def random_pair() -> Callable[..., Pair]:
    """`random_pair(shape, seed=0)`: a noisy uint8 picture, and the same without the noise."""

    def draw(shape: tuple[int, ...], seed: int = 0) -> Pair:
        generator = np.random.default_rng(seed)
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        waves = 90 * np.sin(rows / 7) * np.cos(columns / 5) + 128
        clean = waves.reshape(shape[:2] + (1,) * (len(shape) - 2)) + generator.normal(0, 9, shape)
        noisy = clean + generator.normal(0, 14, shape)
        sr, hr = (np.clip(np.rint(image), 0, 255).astype(np.uint8) for image in (noisy, clean))
        return sr, hr

    return draw


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with the benchmark's files: $MTLSR_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("MTLSR_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data" / "benchmark").is_dir():
        pytest.skip(f"no benchmark data at {folder} (set MTLSR_SHARED)")
    return folder
