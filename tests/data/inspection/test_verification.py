from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mtlsr.data.augment import jpeg
from mtlsr.data.images import write_image
from mtlsr.data.inspection.verification import (
    LEAST_RESIDUAL,
    Kind,
    Report,
    displacement,
    residual,
    verify,
)
from mtlsr.data.resize import bicubic_downscale, bicubic_upscale, resampling_matrix


def photograph(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """Something with edges and detail at every size, different for every seed."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for size in (4, 8, 16, 32):
        coarse = rng.normal(0, 1, (size, size, 3)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 40 * total, 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four photographs in HR, and their bicubic in LR."""
    for name in ("HR", "LR"):
        (tmp_path / name).mkdir()
    for seed, name in enumerate("abcd"):
        write_image(tmp_path / "HR" / f"{name}.png", photograph(seed))
        write_image(tmp_path / "LR" / f"{name}.png", bicubic_downscale(photograph(seed), 4))
    return tmp_path


def report(folder: Path, **options: object) -> Report:
    hr, lr = ([folder / kind / f"{name}.png" for name in "abcd"] for kind in ("HR", "LR"))
    return verify(hr, 4, lr, **options)  # type: ignore[arg-type]


def test_a_good_data_set_has_no_findings(folder: Path) -> None:
    good = report(folder, patch=24)
    assert good.files == 4
    assert good.findings == [] and good.lines() == []
    assert set(good.counts()) == {str(kind) for kind in Kind}
    assert set(good.counts().values()) == {0}


def test_every_kind_is_found_named_and_counted(folder: Path) -> None:
    (folder / "HR" / "a.png").write_bytes(b"no image")
    write_image(folder / "LR" / "b.png", bicubic_downscale(photograph(1), 2))
    write_image(folder / "LR" / "c.png", jpeg(bicubic_downscale(photograph(2), 4), 60))
    write_image(folder / "HR" / "d.png", jpeg(photograph(1), 80))
    (folder / "test").mkdir()
    write_image(folder / "test" / "t.png", photograph(2)[::2, ::2])
    found = report(folder, patch=25, benchmarks=[folder / "test" / "t.png"])
    kinds = [(finding.kind, finding.path) for finding in found.findings]
    assert kinds == [
        (Kind.UNDECODABLE, folder / "HR" / "a.png"),
        (Kind.TOO_SMALL, folder / "HR" / "b.png"),
        (Kind.LR_SIZE, folder / "LR" / "b.png"),
        (Kind.TOO_SMALL, folder / "HR" / "c.png"),
        (Kind.LR_NOT_BICUBIC, folder / "LR" / "c.png"),
        (Kind.TOO_SMALL, folder / "HR" / "d.png"),
        (Kind.LR_NOT_BICUBIC, folder / "LR" / "d.png"),
        (Kind.DUPLICATE, folder / "HR" / "d.png"),
        (Kind.IN_BENCHMARK, folder / "HR" / "c.png"),
    ]
    assert found.counts() == {
        "undecodable": 1,
        "too small": 3,
        "LR of another size": 1,
        "LR not bicubic": 2,
        "duplicate": 1,
        "in a benchmark": 1,
    }
    lines = found.lines()
    assert lines[0] == f"{folder / 'HR' / 'a.png'}: This is not an image of a known kind."
    assert "96x128 pixels, but patches of 25 at scale 4 need at least 100x100" in lines[1]
    assert "It has 48x64 pixels, but b.png has 96x128, which makes 24x32 at scale 4." in lines[2]
    assert "not displaced" in lines[4]
    assert str(folder / "HR" / "b.png") in lines[7]
    assert str(folder / "test" / "t.png") in lines[8]
    assert all(line.endswith(".") and "\n" not in line for line in lines)
    assert found.paths(Kind.TOO_SMALL, Kind.DUPLICATE) == {
        folder / "HR" / f"{name}.png" for name in "bcd"
    }


@pytest.mark.parametrize("workers", [1, 3])
def test_threads_change_nothing_and_every_file_advances(folder: Path, workers: int) -> None:
    write_image(folder / "LR" / "d.png", bicubic_downscale(photograph(9), 4))
    (folder / "HR" / "b.png").write_bytes(b"")
    steps: list[int] = []
    benchmark = [folder / "LR" / "a.png", folder / "none.png"]
    found = report(folder, workers=workers, benchmarks=benchmark, advance=lambda: steps.append(1))
    assert len(steps) == 6
    assert [finding.kind for finding in found.findings] == [
        Kind.UNDECODABLE,
        Kind.LR_NOT_BICUBIC,
        Kind.UNDECODABLE,
        Kind.IN_BENCHMARK,
    ]
    assert found.lines()[2] == f"{folder / 'none.png'}: The file does not exist."


def test_missing_partner_is_named_and_the_rest_is_looked_at(folder: Path) -> None:
    (folder / "LR" / "a.png").unlink()
    (folder / "LR" / "d.png").write_bytes((folder / "LR" / "d.png").read_bytes()[:200])
    assert report(folder).paths(Kind.UNDECODABLE) == {
        folder / "LR" / "a.png",
        folder / "LR" / "d.png",
    }


def test_grey_files_and_odd_sizes_are_compared(tmp_path: Path) -> None:
    grey = photograph(3, 99, 130)[..., 0]
    small = bicubic_downscale(grey[:96, :128], 4)
    write_image(tmp_path / "hr.png", grey)
    write_image(tmp_path / "grey.png", small)
    write_image(tmp_path / "colour.png", np.repeat(small[..., None], 3, axis=2))
    for name in ("grey", "colour"):
        assert verify([tmp_path / "hr.png"], 4, [tmp_path / f"{name}.png"]).findings == []


def test_hr_smaller_than_the_scale(tmp_path: Path) -> None:
    write_image(tmp_path / "hr.png", photograph(0)[:3, :3])
    write_image(tmp_path / "lr.png", photograph(0)[:1, :1])
    found = verify([tmp_path / "hr.png"], 4, [tmp_path / "lr.png"])
    assert [finding.kind for finding in found.findings] == [Kind.TOO_SMALL, Kind.LR_SIZE]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0}, "scale is 0"),
        ({"scale": 17}, "scale is 17"),
        ({"scale": 2, "patch": 0}, "patch is 0"),
        ({"scale": 2, "lr_files": []}, "1 files and 0 low-resolution"),
    ],
)
def test_bad_arguments(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verify(["a.png"], **options)


# ---- residual and displacement -----------------------------------------------------------------


def test_residual_is_the_psnr() -> None:
    image = np.full((4, 5, 3), 100, np.uint8)
    assert residual(image, image) == float("inf")
    assert residual(image + 1, image) == pytest.approx(10 * np.log10(255**2))
    one = image.copy()
    one[0, 0, 0] += 6
    assert residual(image, one) == pytest.approx(10 * np.log10(255**2 * 60 / 36))


def shifted(down: float, right: float, scale: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture sampled at whole positions, and lying further down and right."""
    rng = np.random.default_rng(1)
    waves = rng.uniform(-0.9, 0.9, (40, 2))
    phases = rng.uniform(0, 2 * np.pi, 40)
    y, x = np.mgrid[:64, :80]

    def at(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        total = sum(np.cos(a * y + b * x + p) for (a, b), p in zip(waves, phases, strict=True))
        return np.rint(128 + 14 * np.asarray(total)).clip(0, 255).astype(np.uint8)

    return at(y - down, x - right), at(y, x)


@pytest.mark.parametrize(
    "shift", [(0.0, 0.0), (0.375, -0.375), (0.1, 0.0), (-0.5, 0.25), (1.5, -2.3), (0.02, 6.7)]
)
def test_displacement_is_the_analytic_one(shift: tuple[float, float]) -> None:
    assert displacement(*shifted(*shift)) == pytest.approx(shift, abs=0.01)


def test_displacement_survives_compression_and_noise() -> None:
    given, expected = shifted(0.375, -0.25)
    noisy = np.clip(given + np.random.default_rng(0).normal(0, 10, given.shape), 0, 255)
    assert displacement(noisy.astype(np.uint8), expected) == pytest.approx((0.375, -0.25), abs=0.05)
    packed = jpeg(np.repeat(given[..., None], 3, axis=2), 60)
    assert displacement(packed, np.repeat(expected[..., None], 3, axis=2)) == pytest.approx(
        (0.375, -0.25), abs=0.05
    )


@pytest.mark.parametrize("seed", range(8))
def test_compression_alone_displaces_nothing(seed: int) -> None:
    for height, width in ((96, 128), (384, 512)):
        expected = bicubic_downscale(photograph(seed, height, width), 4)
        assert displacement(jpeg(expected, 60), expected) == (0, 0)
        moved, still = expected[1:, 1:], expected[:-1, :-1]
        assert displacement(jpeg(moved, 60), still) == pytest.approx((-1, -1), abs=0.15)


def test_displacement_of_nothing_is_zero() -> None:
    flat = np.full((32, 32), 7, np.uint8)
    assert displacement(flat, flat) == (0, 0)
    assert displacement(flat[:2, :2], flat[:2, :2]) == (0, 0)
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 40), dtype=np.uint8)
    assert all(abs(value) < 10 for value in displacement(*noise))


def test_every_other_pixel_is_named_as_displaced(tmp_path: Path) -> None:
    """Keeping each fourth pixel from the first takes it 1.5 HR pixels, 0.375 LR pixels, early."""
    hr = bicubic_upscale(photograph(5), 4)
    write_image(tmp_path / "hr.png", hr)
    write_image(tmp_path / "lr.png", hr[::4, ::4])
    (found,) = verify([tmp_path / "hr.png"], 4, [tmp_path / "lr.png"]).findings
    assert found.kind is Kind.LR_NOT_BICUBIC
    assert "it lies +0.3" in found.sentence or "it lies +0.4" in found.sentence
    down, right = displacement(hr[::4, ::4], bicubic_downscale(hr, 4))
    assert (down, right) == pytest.approx((0.375, 0.375), abs=0.03)


def test_the_same_kernel_with_other_rounding_passes_and_others_do_not(tmp_path: Path) -> None:
    hr = photograph(6, 192, 256)
    expected = bicubic_downscale(hr, 4)
    down, across = resampling_matrix(192, 48), resampling_matrix(256, 64)
    unrounded = np.einsum("ij,jkc,lk->ilc", down, hr.astype(float), across)
    once = np.rint(unrounded).clip(0, 255).astype(np.uint8)
    pillow = np.asarray(Image.fromarray(hr).resize((64, 48), Image.Resampling.BICUBIC))
    for same in (once, pillow):
        assert residual(same, expected) > LEAST_RESIDUAL
    for method in (cv2.INTER_CUBIC, cv2.INTER_AREA, cv2.INTER_LINEAR):
        assert residual(cv2.resize(hr, (64, 48), interpolation=method), expected) < LEAST_RESIDUAL
    assert residual(jpeg(expected, 95), expected) < LEAST_RESIDUAL
