import numpy as np
import pytest

from mtlsr.data.inspection.contact_sheet import GAP, HEAD, LEAST_SIDE, MARGIN, contact_sheet
from mtlsr.data.samples import Sample

RNG = np.random.default_rng(0)
NAMES = ("blur", "noise", "jpeg")


def sample(patch: int = 20, scale: int = 4, with_hr: bool = True, *strengths: float) -> Sample:
    lr, clean = RNG.integers(0, 256, (2, patch, patch, 3), dtype=np.uint8)
    hr = RNG.integers(0, 256, (patch * scale, patch * scale, 3), dtype=np.uint8)
    values = strengths or (0.25, 0.0, 1.0)
    return Sample(lr, clean, hr if with_hr else None, np.array(values, np.float32))


def picture(sheet: np.ndarray, column: int, side: int) -> np.ndarray:
    left = MARGIN + column * (side + GAP)
    return sheet[MARGIN + HEAD : MARGIN + HEAD + side, left : left + side]


def test_it_shows_every_pixel_of_all_three_pictures() -> None:
    one = sample(40, 4)
    sheet = contact_sheet([one], 4, NAMES)
    assert (sheet.dtype, sheet.ndim, sheet.shape[2]) == (np.uint8, 3, 3)
    assert one.hr is not None
    for column, shown in enumerate((one.lr, one.lr_clean)):
        np.testing.assert_array_equal(picture(sheet, column, 160)[::4, ::4], shown)
        np.testing.assert_array_equal(picture(sheet, column, 160)[3::4, 3::4], shown)
    np.testing.assert_array_equal(picture(sheet, 2, 160), one.hr)


def test_small_patches_are_blown_up_by_a_whole_factor() -> None:
    one = sample(6, 2)
    sheet = contact_sheet([one], 2, NAMES)
    assert one.hr is not None
    side = 168  # the least multiple of 12 from LEAST_SIDE on
    assert side - 12 < LEAST_SIDE <= side
    np.testing.assert_array_equal(picture(sheet, 2, side)[::14, ::14], one.hr)
    np.testing.assert_array_equal(picture(sheet, 0, side)[::28, ::28], one.lr)


@pytest.mark.parametrize(
    ("count", "columns", "grid"), [(1, 2, (1, 1)), (3, 2, (2, 2)), (5, 4, (2, 4))]
)
def test_cards_fill_rows(count: int, columns: int, grid: tuple[int, int]) -> None:
    one = contact_sheet([sample()], 4, NAMES)
    card = (one.shape[0] - 2 * MARGIN, one.shape[1] - 2 * MARGIN)
    sheet = contact_sheet([sample() for _ in range(count)], 4, NAMES, columns)
    assert sheet.shape[0] == grid[0] * (card[0] + MARGIN) + MARGIN
    assert sheet.shape[1] == grid[1] * (card[1] + MARGIN) + MARGIN


def test_without_high_resolution_two_pictures_are_left() -> None:
    with_, without = (contact_sheet([sample(40, 4, hr)], 4, NAMES) for hr in (True, False))
    assert without.shape[1] == with_.shape[1] - 160 - GAP


def entries(strengths: tuple[float, ...]) -> np.ndarray:
    """What stands below the pictures."""
    return contact_sheet([sample(40, 4, True, *strengths)], 4, NAMES)[MARGIN + HEAD + 160 : -MARGIN]


def blue(image: np.ndarray) -> int:
    return int(((image[..., 2].astype(int) - image[..., 0]) > 100).sum())


def test_bars_are_as_long_as_the_strengths() -> None:
    full = blue(entries((1.0, 0.0, 0.0)))
    assert full > 0
    assert blue(entries((0.0, 0.0, 0.0))) == 0
    assert blue(entries((0.5, 0.0, 0.0))) == pytest.approx(full / 2, rel=0.02)
    assert blue(entries((0.5, 0.5, 1.0))) == pytest.approx(2 * full, rel=0.02)


def test_names_and_values_are_written() -> None:
    assert (entries((0.5, 0.0, 0.0)) != entries((0.51, 0.0, 0.0))).any()
    one = sample(40)
    sheets = [contact_sheet([one], 4, names) for names in (NAMES, ("blur", "noise", "ringing"))]
    assert (sheets[0] != sheets[1]).any()


def test_many_names_wrap_into_lines_inside_the_card() -> None:
    many = tuple(f"parameter {index}" for index in range(14))
    one = sample(40, 4, True, *np.linspace(0, 1, 14))
    narrow = contact_sheet([sample(40)], 4, NAMES)
    sheet = contact_sheet([one], 4, many)
    assert sheet.shape[1] == narrow.shape[1]
    assert sheet.shape[0] > narrow.shape[0]
    assert (sheet[:, -MARGIN:] == 255).all()
    assert (sheet[-MARGIN:] == 255).all()


@pytest.mark.parametrize(
    ("samples", "names", "columns", "message"),
    [
        ([], NAMES, 2, "at least one sample"),
        ([sample()], NAMES[:2], 2, "2 names .* 3 strengths"),
        ([sample(20), sample(24)], NAMES, 2, "patches of 20x20, 24x24"),
        ([sample(20), sample(20, 4, False)], NAMES, 2, "all with HR"),
        ([sample()], NAMES, 0, "columns is 0"),
    ],
)
def test_bad_input_is_named(
    samples: list[Sample], names: tuple[str, ...], columns: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        contact_sheet(samples, 4, names, columns)
