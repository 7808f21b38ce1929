"""How often an interval holds the true difference of two models, where it is known.

One model is bicubic interpolation; the other adds noise of known strength to its outputs. Images
and noise are drawn from a finite population of both, whose mean difference is the true one. Each
repetition sees a sample of them alone, as an evaluation sees some of all photographs. Where there
are several seeds, the noise of each has a strength of its own: that is its luck.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mtlsr.data.bundled import TEST, TRAIN, VAL
from mtlsr.data.images import find_images, read_image
from mtlsr.data.resize import bicubic_downscale, bicubic_upscale
from mtlsr.metrics import Protocol, psnr, ssim
from mtlsr.metrics.paired import paired_interval

PROTOCOL = Protocol.preset("literature", scale=4)
MEASURES = {"psnr_y": psnr, "ssim_y": ssim}
STRENGTH = 5.0
"""Standard deviation of the noise, in levels of 255."""
STRENGTHS = tuple(STRENGTH + 0.5 * stats.norm.ppf((np.arange(15) + 0.5) / 15))
SIDE = 192


def population(
    photographs: Iterable[np.ndarray], measure: str, strengths: Sequence[float] = (STRENGTH,)
) -> np.ndarray:
    """Every difference that there is, (images, strengths)."""
    figure, rng = MEASURES[measure], np.random.default_rng(0)
    rows = []
    for hr in photographs:
        plain = bicubic_upscale(bicubic_downscale(hr, 4), 4)
        if np.array_equal(plain, hr):
            continue  # a black corner, and its PSNR is infinite
        noisy = (plain + rng.normal(0, strength, plain.shape) for strength in strengths)
        outputs = (np.rint(image).clip(0, 255).astype(np.uint8) for image in noisy)
        before = figure(plain, hr, PROTOCOL)
        rows.append([figure(output, hr, PROTOCOL) - before for output in outputs])
    return np.array(rows)


def covered(differences: np.ndarray, images: int, repetitions: int, seeds: int = 1) -> float:
    """Share of the repetitions whose interval holds the truth."""
    truth, rng = differences.mean(), np.random.default_rng(1)
    held = 0
    for _ in range(repetitions):
        photographs, luck = (
            rng.integers(there, size=count)
            for there, count in zip(differences.shape, (images, seeds), strict=True)
        )
        found = paired_interval(differences[photographs][:, luck].T, resamples=2000)
        held += found.low <= truth <= found.high
    return held / repetitions


@pytest.fixture(scope="module", params=MEASURES)
def crops(request: pytest.FixtureRequest) -> np.ndarray:
    """Of crops of the bundled photographs."""

    def cut() -> Iterable[np.ndarray]:
        for photograph in TRAIN + VAL + TEST:
            image = read_image(photograph.path)
            for top in range(0, image.shape[0] - SIDE + 1, SIDE):
                for left in range(0, image.shape[1] - SIDE + 1, SIDE):
                    yield np.ascontiguousarray(image[top : top + SIDE, left : left + SIDE])

    return population(cut(), request.param)


@pytest.mark.parametrize("images", [5, 14, 100])
def test_of_100_intervals_90_to_99_hold_the_truth(crops: np.ndarray, images: int) -> None:
    assert len(crops) > 100
    assert 0.9 <= covered(crops, images, repetitions=100) <= 0.99


@pytest.fixture(scope="module")
def photographs(shared: Path) -> list[np.ndarray]:
    """Those of Set5, Set14, B100 and CID22's validation set, as a whole."""
    folders = [shared / "data" / "benchmark" / name / "HR" for name in ("Set5", "Set14", "B100")]
    files = [file for folder in (*folders, shared / "data" / "val") for file in find_images(folder)]
    images = map(read_image, files)
    return [image[: len(image) // 4 * 4, : image.shape[1] // 4 * 4].copy() for image in images]


@pytest.mark.slow
@pytest.mark.parametrize(("measure", "least"), [("psnr_y", 0.9), ("ssim_y", 0.93)])
def test_whole_photographs_are_covered_as_the_docstring_says(
    photographs: list[np.ndarray], measure: str, least: float
) -> None:
    differences = population(photographs, measure)
    shares = {images: covered(differences, images, 1000) for images in (5, 14, 100)}
    print(measure, shares)
    assert least <= shares[5] <= 0.98
    assert 0.92 <= shares[14] <= 0.98
    assert 0.93 <= shares[100] <= 0.97


@pytest.mark.slow
def test_seeds_of_unlike_luck_are_covered_too(photographs: list[np.ndarray]) -> None:
    differences = population(photographs[::2], "psnr_y", STRENGTHS)
    shares = {
        (images, seeds): covered(differences, images, 500, seeds)
        for images in (5, 14, 100)
        for seeds in (2, 3, 5)
    }
    print(shares)
    assert all(0.9 <= share <= 0.998 for share in shares.values())
