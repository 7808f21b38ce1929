from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.data.images import ImageError, read_image, write_image
from mtlsr.data.pairs import EvaluationSet, benchmark_set, check_sizes, given_lr, published_lr
from mtlsr.data.resize import bicubic_downscale

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (13, 18, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (12, 16), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Toy" / "HR").mkdir(parents=True)
    write_image(tmp_path / "Toy" / "HR" / "1.png", COLOUR)
    write_image(tmp_path / "Toy" / "HR" / "2.png", GREY)
    return tmp_path / "Toy"


def test_low_resolution_is_made_where_none_is_given(root: Path) -> None:
    pairs = benchmark_set(root, 4)
    assert (pairs.name, len(pairs)) == ("Toy", 2)
    colour, grey = pairs
    assert (colour.name, grey.name) == ("1", "2")
    np.testing.assert_array_equal(colour.hr, COLOUR[:12, :16])
    np.testing.assert_array_equal(colour.lr, bicubic_downscale(COLOUR[:12, :16], 4))
    np.testing.assert_array_equal(grey.hr, GREY)
    expected = bicubic_downscale(GREY, 4)
    np.testing.assert_array_equal(grey.lr, np.stack([expected] * 3, axis=2))


@pytest.mark.parametrize("ending", ["", "x4"])
def test_given_low_resolution_is_taken(root: Path, ending: str) -> None:
    (root / "LR_x4").mkdir()
    given = RNG.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    write_image(root / "LR_x4" / f"1{ending}.png", given)
    write_image(root / "LR_x4" / f"2{ending}.png", given[..., 0])
    colour, grey = benchmark_set(root, 4)
    np.testing.assert_array_equal(colour.lr, given)
    assert grey.lr.shape == (3, 4, 3)
    assert benchmark_set(root, 2)[0].lr.shape == (6, 9, 3)  # made: there is no LR_x2


def test_every_image_has_a_name_of_its_own(tmp_path: Path) -> None:
    def names(*files: str) -> list[str]:
        return EvaluationSet("x", [tmp_path / file for file in files], 4).names

    assert names("a.png", "sub/b.c.png") == ["a", "b.c"]
    assert names("1/im.png", "2/im.png", "2/d/im.png") == ["1_im", "2_im", "2_d_im"]
    assert names("s/a.png", "s/a.jpg") == ["0_a", "1_a"]
    assert names("a/b_c.png", "a_b/c.png", "x/c.png") == ["0_a_b_c", "1_a_b_c", "2_x_c"]
    assert EvaluationSet("x", [], 4).names == []


def test_wrong_size_is_refused_not_resized(root: Path) -> None:
    (root / "LR_x4").mkdir()
    for name in ("1.png", "2.png"):
        write_image(root / "LR_x4" / name, COLOUR[:4, :4])
    with pytest.raises(ImageError, match=r"1\.png: it has 4x4 pixels, .* needs 3x4 at scale 4"):
        benchmark_set(root, 4)[0]


def test_missing_partner_is_named(root: Path) -> None:
    (root / "LR_x4").mkdir()
    write_image(root / "LR_x4" / "1.png", COLOUR[:3, :4])
    with pytest.raises(ValueError, match=r"2\.png has no low-resolution file"):
        benchmark_set(root, 4)
    with pytest.raises(ValueError, match="one for each"):
        EvaluationSet("x", [Path("a"), Path("b")], 4, [Path("a")])


def test_low_resolution_without_its_high_resolution_is_named(root: Path) -> None:
    """Otherwise a benchmark of which a file is missing would be scored on the others."""
    (root / "LR_x4").mkdir()
    for name in ("1", "2x4", "3"):
        write_image(root / "LR_x4" / f"{name}.png", COLOUR[:3, :4])
    with pytest.raises(ValueError, match=r"LR_x4/3\.png has no high-resolution file .*Toy/HR\."):
        benchmark_set(root, 4)
    part = [root / "HR" / "1.png"]
    (root / "LR_x4" / "3.png").unlink()
    assert published_lr(part, 4) == [root / "LR_x4" / "1.png"]


def test_plain_folder(root: Path) -> None:
    pairs = benchmark_set(root / "HR", 2)
    assert [pair.name for pair in pairs] == ["1", "2"]


def test_too_small_is_refused(root: Path) -> None:
    write_image(root / "HR" / "0.png", COLOUR[:3])
    with pytest.raises(ImageError, match=r"0\.png: its 3x18 pixels are too few for scale 4"):
        benchmark_set(root, 4)[0]


def test_index_past_the_end(root: Path) -> None:
    with pytest.raises(IndexError):
        benchmark_set(root, 4)[2]


def real(root: Path, hr: list[str], lr: list[str], folder: str = "LR") -> list[Path]:
    """Empty files, since names alone are matched; returns those of high resolution."""
    files = [root / "HR" / name for name in hr] + [root / folder / name for name in lr]
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return files[: len(hr)]


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ("0001.png", "0001.png"),
        ("0001.png", "0001.jpg"),
        ("0001.png", "0001x4.png"),
        ("0001.png", "0001_X4.png"),
        ("Canon_001_HR.png", "Canon_001_LR4.png"),
        ("Canon_001_HR.png", "Canon_001.png"),
        ("scene/1.png", "scene/1_LR.png"),
        ("photo_x4.png", "photo_x4.png"),
        ("a.b.png", "a.bx4.png"),
    ],
)
def test_partners_share_a_name(tmp_path: Path, hr: str, lr: str) -> None:
    files = real(tmp_path, [hr, "other/1.png"], [lr, "other/1.png"])
    assert given_lr(files, 4) == [tmp_path / "LR" / lr, tmp_path / "LR" / "other" / "1.png"]


def test_the_folder_of_the_scale_comes_first(tmp_path: Path) -> None:
    files = real(tmp_path, ["1.png"], ["1.png"])
    real(tmp_path, ["1.png"], ["1.png"], "LR_x2")
    assert given_lr(files, 2) == [tmp_path / "LR_x2" / "1.png"]
    assert given_lr(files, 3) == [tmp_path / "LR" / "1.png"]


@pytest.mark.parametrize(
    ("hr", "lr", "said"),
    [
        (["1.png", "2.png"], ["1.png"], r"2\.png has no low-resolution file of its name in .*LR"),
        (["1.png"], ["1.png", "2.png"], r"2\.png has no high-resolution file of its name alone"),
        (["1.png"], ["1.png", "1x4.png"], r"1x4\.png has no high-resolution file"),
        (["1.png"], ["1.png", "1.jpg"], r"1\.\w+ has no high-resolution file"),
        (["1.png", "1.jpg"], ["1.png"], r"1\.jpg and .*1\.png have one low-resolution file"),
        (["1.png"], ["1x2.png"], r"1\.png has no low-resolution file"),
        (["a/1.png"], ["b/1.png"], r"a/1\.png has no low-resolution file"),
    ],
)
def test_a_file_without_its_partner_is_named(
    tmp_path: Path, hr: list[str], lr: list[str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        given_lr(real(tmp_path, hr, lr)[:1], 4)


def test_pairs_need_the_folders_of_pairs(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="lies in no folder HR"):
        given_lr([tmp_path / "1.png"], 4)


def test_sizes_of_real_pairs_are_exact(tmp_path: Path) -> None:
    hr, lr = tmp_path / "1.png", tmp_path / "2.png"
    write_image(lr, COLOUR[:3, :4])
    write_image(hr, COLOUR[:12, :16])
    check_sizes([hr], [lr], 4)
    write_image(hr, COLOUR[:13, :16])  # a benchmark's would be cropped
    said = r"2\.png: it has 3x4 pixels, and its high-resolution image 13x16, which is not 4 times"
    with pytest.raises(ImageError, match=said):
        check_sizes([hr], [lr], 4)
    hr.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"1\.png: this is not an image"):
        check_sizes([hr], [lr], 4)


def test_a_camera_may_turn_one_of_the_two(tmp_path: Path) -> None:
    upright, turned = tmp_path / "1.png", tmp_path / "2.jpg"
    write_image(upright, COLOUR[:12, :16])
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a turn: 4 x 3 pixels as stored, 3 x 4 as meant
    Image.fromarray(np.ascontiguousarray(COLOUR[:4, :3])).save(turned, exif=exif)
    assert read_image(turned).shape == (3, 4, 3)
    check_sizes([upright], [turned], 4)


def test_edsr_packs_low_resolution_otherwise(root: Path) -> None:
    (root / "LR_bicubic" / "X4").mkdir(parents=True)
    for name in ("1x4.png", "2x4.png"):
        write_image(root / "LR_bicubic" / "X4" / name, COLOUR[:3, :4])
    np.testing.assert_array_equal(benchmark_set(root, 4)[0].lr, COLOUR[:3, :4])
    assert benchmark_set(root, 2).lr_files is None
