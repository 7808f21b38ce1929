"""NIQE against an independent computation, and what it must and must not like."""

import dataclasses
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import correlate
from scipy.special import gamma

from mtlsr.data import bundled
from mtlsr.data.images import find_images, read_image, write_image
from mtlsr.data.resize import bicubic_downscale, bicubic_upscale, crop_to_multiple
from mtlsr.errors import UserError
from mtlsr.metrics import Protocol, _niqe, niqe
from mtlsr.metrics.__main__ import main
from mtlsr.metrics._niqe import block_features, natural, statistics
from mtlsr.metrics.niqe_fit import Fit, fit, write

PROTOCOL = Protocol.preset("literature", 4)
WHOLE = Protocol.preset("full", 4)
PHOTOGRAPHS = [*bundled.VAL, *bundled.TEST]


def photograph(index: int) -> np.ndarray:
    return crop_to_multiple(read_image(PHOTOGRAPHS[index].path), 4)


# ---- the authors' steps, block by block --------------------------------------------------------


def window() -> np.ndarray:
    y, x = np.mgrid[-3:4, -3:4]
    weights = np.exp(-(x * x + y * y) / (2 * (7 / 6) ** 2))
    return weights / weights.sum()


def normalised(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean = correlate(plane, window(), mode="nearest")
    deviation = np.sqrt(np.abs(correlate(plane**2, window(), mode="nearest") - mean**2))
    return (plane - mean) / (deviation + 1), deviation


def asymmetric_gaussian(x: np.ndarray) -> tuple[float, float, float]:
    shapes = np.arange(0.2, 10.0005, 0.001)
    table = gamma(2 / shapes) ** 2 / (gamma(1 / shapes) * gamma(3 / shapes))
    left, right = np.sqrt((x[x < 0] ** 2).mean()), np.sqrt((x[x > 0] ** 2).mean())
    ratio = left / right
    moment = np.abs(x).mean() ** 2 / (x**2).mean()
    wanted = moment * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shape = shapes[np.argmin((table - wanted) ** 2)]
    scale = np.sqrt(gamma(1 / shape) / gamma(3 / shape))
    return shape, left * scale, right * scale


def half(plane: np.ndarray) -> np.ndarray:
    """Bicubic, a = -1/2, stretched twofold: the weights by hand."""
    weights = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
    for _ in range(2):
        padded = np.pad(plane, ((3, 3), (0, 0)), mode="edge")
        size = plane.shape[0] // 2
        plane = sum(w * padded[i : i + 2 * size : 2] for i, w in enumerate(weights)).T
    return plane


def features_by_hand(plane: np.ndarray) -> np.ndarray:
    rows, columns = plane.shape[0] // 96, plane.shape[1] // 96
    plane = plane[: rows * 96, : columns * 96]
    scales = []
    for side in (96, 48):
        contrasts, found = normalised(plane)[0], []
        for row in range(rows):
            for column in range(columns):
                block = contrasts[row * side :, column * side :][:side, :side]
                shape, left, right = asymmetric_gaussian(block)
                numbers = [shape, (left + right) / 2]
                for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
                    moved = np.roll(np.roll(block, down, axis=0), across, axis=1)
                    shape, left, right = asymmetric_gaussian(block * moved)
                    mean = (right - left) * gamma(2 / shape) / gamma(1 / shape)
                    numbers += [shape, mean, left, right]
                found.append(numbers)
        scales.append(found)
        plane = half(plane)
    return np.concatenate(scales, axis=1)


def luma_by_hand(image: np.ndarray) -> np.ndarray:
    return 16 + image @ np.array([65.481, 128.553, 24.966]) / 255


def test_features_are_the_authors_block_by_block() -> None:
    plane = luma_by_hand(photograph(1)[:230, :310])
    features, sharpness = block_features(plane)
    assert features.shape == (6, 36)
    np.testing.assert_allclose(features, features_by_hand(plane), rtol=1e-6, atol=1e-9)
    deviation = normalised(plane[:192, :288])[1]
    blocks = [deviation[r : r + 96, c : c + 96].mean() for r in (0, 96) for c in (0, 96, 192)]
    np.testing.assert_allclose(sharpness, blocks, rtol=1e-9)


def test_the_figure_is_the_distance_of_two_gaussians() -> None:
    image = photograph(1)[:300, :400]
    features = features_by_hand(luma_by_hand(image))
    ours, theirs = natural(), (features.mean(axis=0), np.cov(features.T))
    difference = ours.mean - theirs[0]
    solved = np.linalg.solve((ours.covariance + theirs[1]) / 2, difference)
    assert niqe(image, WHOLE) == pytest.approx(np.sqrt(difference @ solved), rel=1e-5)


# ---- what it must and must not like ------------------------------------------------------------


@pytest.mark.parametrize("index", range(3), ids=[each.name for each in PHOTOGRAPHS])
def test_blur_noise_and_interpolation_are_less_natural(index: int) -> None:
    image = photograph(index)
    rng = np.random.default_rng(index)
    plain = niqe(image, PROTOCOL)
    blurs = [niqe(cv2.GaussianBlur(image, (0, 0), s), PROTOCOL) for s in (1, 2, 4)]
    noise = rng.normal(size=image.shape)
    noises = [
        niqe(np.clip(np.rint(image + s * noise), 0, 255).astype(np.uint8), PROTOCOL)
        for s in (10, 20, 40)
    ]
    enlarged = niqe(bicubic_upscale(bicubic_downscale(image, 4), 4), PROTOCOL)
    assert [plain, *blurs] == sorted([plain, *blurs])
    assert [plain, *noises] == sorted([plain, *noises])
    assert enlarged > plain + 1


def test_unseen_photographs_are_nearly_all_more_natural_than_degraded_ones(shared: Path) -> None:
    rng = np.random.default_rng(0)
    worse = []
    for path in find_images(shared / "data/val/cid22")[:8]:
        image = read_image(path)
        plain = niqe(image, PROTOCOL)
        noisy = np.clip(image + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
        worse += [niqe(x, PROTOCOL) > plain for x in (cv2.GaussianBlur(image, (0, 0), 1.2), noisy)]
    assert np.mean(worse) > 0.9


def test_it_needs_no_colour_and_sees_neither_border_nor_rounding() -> None:
    image = photograph(1)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert niqe(grey, PROTOCOL) == niqe(np.dstack([grey] * 3), PROTOCOL)
    broken = image.copy()
    broken[:4] = broken[:, -4:] = 0
    assert niqe(broken, PROTOCOL) == niqe(image, PROTOCOL) != niqe(broken, WHOLE)
    levels = dataclasses.replace(PROTOCOL, output="float")
    assert niqe(image.astype(np.float32), levels) == pytest.approx(niqe(image, PROTOCOL), abs=1e-9)
    full = dataclasses.replace(PROTOCOL, colour="bt601-full")
    assert niqe(image, full) == niqe(image, PROTOCOL)


def test_flat_blocks_do_not_count() -> None:
    image = photograph(1)[:192, :384]
    flat = image.copy()
    flat[96:, 96:] = 255
    expected = block_features(luma_by_hand(image))[0]
    found = block_features(luma_by_hand(flat))[0]
    assert len(found) == 5
    # The first block lies beside flat ones, and its local means look over the edge.
    np.testing.assert_allclose(found[0], expected[0], rtol=0.2, atol=0.05)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((300, 300, 3), 90, np.uint8), "is 292 x 292 with 0 blocks of 96 x 96 pixels"),
        (np.zeros((50, 500, 3), np.uint8), "is 42 x 492 with 0 blocks"),
        (np.random.default_rng(0).integers(0, 256, (190, 150, 3), np.uint8), "with 1 blocks"),
        (np.zeros((300, 300, 4), np.uint8), "sr has shape"),
    ],
)
def test_what_has_no_statistics_is_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        niqe(image, PROTOCOL)


# ---- the fit -----------------------------------------------------------------------------------


# Three photographs have too few sharp blocks; each of them is shown four times.
FEW = [each.path for each in PHOTOGRAPHS] * 4


@pytest.fixture(scope="module")
def fitted() -> Fit:
    return fit(FEW)


def test_a_fit_keeps_the_sharp_blocks_of_each_photograph(fitted: Fit) -> None:
    kept = []
    for path in FEW[:3]:
        features, sharpness = block_features(luma_by_hand(read_image(path)))
        kept.append(features[sharpness > 0.75 * sharpness.max()])
    assert 0 < len(kept[0]) < 25
    assert fitted.blocks == 4 * sum(map(len, kept))
    expected = statistics(np.concatenate(kept * 4))
    np.testing.assert_allclose(fitted.statistics.mean, expected.mean, rtol=1e-9)
    np.testing.assert_allclose(fitted.statistics.covariance, expected.covariance, atol=1e-12)


def test_folders_of_one_name_are_refused(tmp_path: Path, capsys) -> None:
    for name in ("a/original", "b/original"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(FEW[0], tmp_path / name)
    given = [str(tmp_path / "a/original"), str(tmp_path / "b/original")]
    assert main(["fit-niqe", *given, "--output", str(tmp_path / "niqe.json")]) == 1
    assert "Two of the folders have the same name" in capsys.readouterr().err
    assert not (tmp_path / "niqe.json").exists()


def test_a_written_fit_is_read_again(tmp_path: Path, fitted: Fit) -> None:
    write(tmp_path / "niqe.json", fitted, {"three": FEW})
    assert [path.name for path in tmp_path.iterdir()] == ["niqe.json"]
    stored = json.loads((tmp_path / "niqe.json").read_text())
    assert (stored["photographs"], stored["blocks"]) == ({"three": 12}, fitted.blocks)
    np.testing.assert_allclose(stored["mean"], fitted.statistics.mean, rtol=1e-9)
    np.testing.assert_allclose(stored["covariance"], fitted.statistics.covariance, rtol=1e-9)


def test_too_few_blocks_are_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "photographs.png", photograph(1))
    with pytest.raises(UserError, match=r"hold [0-9]+ sharp blocks of 96 x 96 .* 36 are needed"):
        fit([tmp_path / "photographs.png"])
    assert main(["fit-niqe", str(tmp_path), "--output", str(tmp_path / "niqe.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("mtlsr: the photographs hold")
    assert [path.name for path in tmp_path.iterdir()] == ["photographs.png"]


def test_the_bundled_statistics_are_a_covariance_of_many_blocks() -> None:
    stored = json.loads(Path(_niqe.__file__).with_name("niqe.json").read_text())
    assert stored["blocks"] > 1000
    found = natural()
    assert found.mean.shape == (36,)
    np.testing.assert_array_equal(found.covariance, found.covariance.T)
    assert np.linalg.eigvalsh(found.covariance).min() > 0


@pytest.mark.slow
def test_the_bundled_statistics_are_those_of_the_photographs_that_they_name(shared: Path) -> None:
    stored = json.loads(Path(_niqe.__file__).with_name("niqe.json").read_text())
    files = [p for name in stored["photographs"] for p in find_images(shared / "data/train" / name)]
    found = fit(files)
    assert found.blocks == stored["blocks"]
    np.testing.assert_allclose(found.statistics.mean, natural().mean, rtol=1e-6)
    np.testing.assert_allclose(found.statistics.covariance, natural().covariance, rtol=1e-5)
