from pathlib import Path

import numpy as np
import pytest

from mtlsr.data.images import ImageError, write_image
from mtlsr.data.pairs import EvaluationSet, benchmark_set
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
