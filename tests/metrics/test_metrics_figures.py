"""PSNR and SSIM against scikit-image and torchmetrics, and at points known by hand."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as torch_ssim

from mtlsr.data import bundled
from mtlsr.data.images import read_image
from mtlsr.errors import UserError
from mtlsr.metrics import Protocol, check_comparable, psnr, ssim
from mtlsr.metrics.planes import Plane, planes

SHAPES = [(64, 80, 3), (37, 53, 3), (29, 31), (15, 15, 3), (121, 81, 3)]
PROTOCOLS = [Protocol.preset("literature", 2), Protocol.preset("rgb-grey", 2)]
SPACES = ["y", "rgb"]


def skimage_ssim(a: Plane, b: Plane) -> float:
    """scikit-image averages over all but 5 pixels a side: exactly the valid positions."""
    channel_axis = 2 if a.ndim == 3 else None
    _, whole = structural_similarity(
        a,
        b,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        channel_axis=channel_axis,
        full=True,
    )
    return float(whole[5:-5, 5:-5].mean())


def torchmetrics_ssim(a: Plane, b: Plane) -> float:
    """torchmetrics reflects the border and keeps it in its mean, so it is cut off here."""
    _, whole = torch_ssim(as_batch(a), as_batch(b), data_range=255.0, return_full_image=True)
    return float(whole[..., 5:-5, 5:-5].mean())


def as_batch(plane: Plane) -> torch.Tensor:
    return torch.from_numpy(np.atleast_3d(plane)).permute(2, 0, 1)[None]


def assert_agrees(sr: np.ndarray, hr: np.ndarray, protocol: Protocol, space: str) -> None:
    a, b = planes(sr, hr, protocol, space)
    measured_psnr, measured_ssim = psnr(sr, hr, protocol, space), ssim(sr, hr, protocol, space)

    assert measured_psnr == pytest.approx(peak_signal_noise_ratio(b, a, data_range=255), abs=1e-6)
    assert measured_ssim == pytest.approx(skimage_ssim(a, b), abs=1e-5)

    # torchmetrics takes the logarithm of the range in float32.
    expected = float(torch_psnr(as_batch(a), as_batch(b), data_range=255.0))
    assert measured_psnr == pytest.approx(expected, abs=1e-5)
    assert measured_ssim == pytest.approx(torchmetrics_ssim(a, b), abs=1e-5)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("protocol", PROTOCOLS, ids=["literature", "rgb-grey"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_figures_agree_with_independent_libraries(
    shape: tuple[int, ...], protocol: Protocol, space: str, random_pair: Callable
) -> None:
    assert_agrees(*random_pair(shape), protocol, space)


def noisy(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, rng.uniform(0.3, 40), image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def blurred(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 3))


def compressed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(5, 96))]
    return cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_UNCHANGED)


def constant(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.full_like(image, rng.integers(0, 256))


def identical(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return image.copy()


DEGRADED = [noisy, blurred, compressed, constant, identical]


def crop(whole: np.ndarray, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A piece of a photograph, in as many channels as `shape` has."""
    top, left = (int(rng.integers(whole.shape[axis] - shape[axis] + 1)) for axis in (0, 1))
    piece = whole[top : top + shape[0], left : left + shape[1]]
    if piece.ndim < len(shape):
        return np.dstack([piece] * 3)
    return piece if piece.ndim == len(shape) else cv2.cvtColor(piece, cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
@pytest.mark.parametrize("source", ["random", "photographs"])
def test_figures_agree_with_scikit_image_on_two_hundred_pairs(
    source: str, channels: tuple[int, ...]
) -> None:
    """Fifty of each kind, from one position of SSIM's window up, sides odd and even."""
    rng = np.random.default_rng(0)
    files = [each.path for each in (*bundled.TRAIN, *bundled.TEST)] if source != "random" else []
    photographs = [read_image(path, grey="keep") for path in files]
    seen = set()
    for number in range(50):
        shape = (*(int(side) for side in rng.integers(15, 72, 2)), *channels)
        hr = rng.integers(0, 256, shape, dtype=np.uint8)
        if photographs:
            hr = crop(photographs[number % len(photographs)], shape, rng)
        degrade = DEGRADED[number % len(DEGRADED)]
        sr = degrade(np.ascontiguousarray(hr), rng)
        for protocol in PROTOCOLS:
            for space in SPACES:
                a, b = planes(sr, hr, protocol, space)
                with np.errstate(divide="ignore"):
                    expected = peak_signal_noise_ratio(b, a, data_range=255)
                found = psnr(sr, hr, protocol, space)
                assert found == pytest.approx(expected, abs=1e-6), (degrade, shape)
                assert math.isinf(found) == (a == b).all()
                expected = skimage_ssim(a, b)
                assert ssim(sr, hr, protocol, space) == pytest.approx(expected, abs=1e-5)
        seen.add((degrade, shape[0] % 2, shape[1] % 2))
    assert len(seen) > 15  # of the twenty kinds of pair


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize(("name", "code"), [("img_002", 1), ("img_003", 0)])
def test_figures_agree_on_photographs(shared: Path, name: str, code: int, space: str) -> None:
    """A colour and a grey photograph, against JPEG copies of themselves."""
    path = shared / "data/benchmark/Set14/HR" / f"{name}.png"
    hr = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:151, :135]
    assert hr.ndim == 2 + code
    sr = cv2.imdecode(cv2.imencode(".jpg", hr, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    for protocol in PROTOCOLS:
        assert_agrees(sr, hr, protocol, space)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("shape", [(40, 41, 3), (40, 41)], ids=str)
def test_identical_images(shape: tuple[int, ...], space: str, random_pair: Callable) -> None:
    _, hr = random_pair(shape)
    for protocol in PROTOCOLS:
        assert psnr(hr, hr, protocol, space) == math.inf
        assert ssim(hr, hr, protocol, space) == 1.0


def test_constant_images() -> None:
    """Without variance SSIM is its luminance term alone."""
    protocol, a, b = PROTOCOLS[0], 100.0, 110.0
    sr, hr = (np.full((30, 30, 3), value, np.uint8) for value in (a, b))
    c1 = 2.55**2
    assert psnr(sr, hr, protocol, "rgb") == pytest.approx(20 * math.log10(25.5), abs=1e-9)
    assert psnr(sr, hr, protocol) == pytest.approx(20 * math.log10(25.5 * 255 / 219), abs=1e-9)
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(sr, hr, protocol, "rgb") == pytest.approx(expected, abs=1e-9)


def test_black_against_white() -> None:
    black, white = np.zeros((30, 30, 3), np.uint8), np.full((30, 30, 3), 255, np.uint8)
    assert psnr(black, white, PROTOCOLS[0], "rgb") == 0.0
    assert 0 < ssim(black, white, PROTOCOLS[0], "rgb") < 1e-3


def test_a_grey_file_gains_the_same_decibels_whatever_its_picture(random_pair: Callable) -> None:
    """Y of R = G = B spans 219 levels instead of 255."""
    literature, rgb_grey = PROTOCOLS
    sr, hr = random_pair((40, 50))
    gain = psnr(sr, hr, rgb_grey) - psnr(sr, hr, literature)
    assert gain == pytest.approx(20 * math.log10(255 / 219), abs=1e-9)
    colour = random_pair((40, 50, 3))
    assert psnr(*colour, rgb_grey) == psnr(*colour, literature)


def test_channels_are_pooled_in_psnr_and_averaged_in_ssim(random_pair: Callable) -> None:
    protocol, (sr, hr) = PROTOCOLS[0], random_pair((40, 50, 3))
    sr = sr.copy()
    sr[..., 1:] = hr[..., 1:]
    sr[..., 2] = 255 - hr[..., 2]
    channels = [(np.ascontiguousarray(sr[..., c]), hr[..., c]) for c in range(3)]
    errors = [10 ** (-psnr(*pair, protocol) / 10) for pair in channels]
    assert psnr(sr, hr, protocol, "rgb") == pytest.approx(-10 * math.log10(np.mean(errors)))
    mean = np.mean([ssim(*pair, protocol) for pair in channels])
    assert ssim(sr, hr, protocol, "rgb") == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize(
    ("change", "moves_psnr", "moves_ssim"),
    [
        ({"border": 3}, True, True),
        ({"colour": "bt601-full"}, True, True),
        ({"peak": 250.0}, True, True),
        ({"window": 9}, False, True),
        ({"sigma": 1.4}, False, True),
        ({"k1": 0.1}, False, True),
        ({"k2": 0.04}, False, True),
    ],
    ids=str,
)
def test_a_changed_protocol_changes_its_figures(
    change: dict[str, object], moves_psnr: bool, moves_ssim: bool, random_pair: Callable
) -> None:
    protocol, pair = PROTOCOLS[0], random_pair((40, 50, 3))
    changed = dataclasses.replace(protocol, **change)
    assert (psnr(*pair, changed) != psnr(*pair, protocol)) == moves_psnr
    assert (abs(ssim(*pair, changed) - ssim(*pair, protocol)) > 1e-6) == moves_ssim


@pytest.mark.parametrize(
    "change",
    [{"border": 0}, {"colour": "opencv"}, {"space": "rgb"}, {"output": "float"}],
    ids=str,
)
def test_a_mutated_protocol_changes_the_figure_and_is_not_ranked_with_the_others(
    change: dict[str, object], random_pair: Callable
) -> None:
    protocol, (sr, hr) = PROTOCOLS[0], random_pair((64, 61, 3))
    # An output before it is rounded, whose border is worse than the rest of it.
    levels = np.clip(sr + np.random.default_rng(0).uniform(-0.49, 0.49, sr.shape), 0, 255)
    levels[:2] = 255 - levels[:2]
    rounded = np.rint(levels).astype(np.uint8)

    mutated = dataclasses.replace(protocol, **change)
    given = levels if mutated.output == "float" else rounded
    for figure in (psnr, ssim):
        assert abs(figure(given, hr, mutated) - figure(rounded, hr, protocol)) > 1e-5
    with pytest.raises(UserError, match=f"cannot be ranked together.* {next(iter(change))} "):
        check_comparable({"literature": protocol, "mutated": mutated})


@pytest.mark.parametrize("change", [{"grey": "rgb"}, {"grey_output": "mean"}], ids=str)
def test_a_changed_treatment_of_grey_changes_its_figures(
    change: dict[str, str], random_pair: Callable
) -> None:
    protocol, (sr, _), (_, hr) = PROTOCOLS[0], random_pair((40, 50, 3)), random_pair((40, 50))
    changed = dataclasses.replace(protocol, **change)
    assert psnr(sr, hr, changed) != psnr(sr, hr, protocol)
    assert ssim(sr, hr, changed) != ssim(sr, hr, protocol)


def test_the_smallest_image_that_ssim_takes_has_one_position(random_pair: Callable) -> None:
    sr, hr = random_pair((15, 15, 3))
    assert math.isfinite(ssim(sr, hr, PROTOCOLS[0]))
    with pytest.raises(ValueError, match=r"inside the border the image is 10 x 11; .* window, 11"):
        ssim(sr[:14], hr[:14], PROTOCOLS[0])


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("height", [15, 47, 90], ids="{} rows".format)
def test_ssim_is_the_same_in_bands_as_at_once(
    monkeypatch: pytest.MonkeyPatch, height: int, space: str, random_pair: Callable
) -> None:
    """Band limits fall before, at and after the last row."""
    pair = random_pair((height, 40, 3))
    whole = ssim(*pair, PROTOCOLS[0], space)
    monkeypatch.setattr("mtlsr.metrics._ssim.BAND", 1)
    for rows in (1, 2, 32, 33):
        monkeypatch.setattr("mtlsr.metrics._ssim._LEAST_ROWS", rows)
        assert ssim(*pair, PROTOCOLS[0], space) == pytest.approx(whole, abs=1e-12)
