"""What is said of a difference."""

import numpy as np
import pytest
from rich.console import Console

from mtlsr.metrics import MEASURES, Measure
from mtlsr.metrics.paired import Interval, paired_interval, signed_rank
from mtlsr.runs.pairwise.differences import Difference, undecided
from mtlsr.runs.pairwise.words import extremes, p_value, rich_table, sentence

LPIPS = MEASURES["lpips"]


def difference(
    values: np.ndarray,
    measure: Measure = MEASURES["psnr_y"],
    interval: Interval | None = None,
    corrected: float | None = None,
) -> Difference:
    figures = {f"image{i}": (float(value), 0.0) for i, value in enumerate(values)}
    found = interval or paired_interval(values)
    return Difference(
        "b100", measure, "ours", "[other]", figures, found, signed_rank(values), corrected
    )


def gains(better: int, worse: int, equal: int = 0) -> np.ndarray:
    return np.array([0.2] * better + [-0.1] * worse + [0.0] * equal)


def test_the_better_one_is_called_better() -> None:
    found = difference(gains(83, 17), interval=Interval(0.12, 0.1, 0.14))
    assert sentence(found) == (
        "b100, PSNR-Y: ours is better than [other] on 83 of 100 images; +0.12 dB, 95 % interval "
        "+0.10 to +0.14."
    )


def test_the_worse_one_is_called_worse() -> None:
    found = difference(-gains(83, 17), interval=Interval(-0.12, -0.14, -0.1))
    assert sentence(found) == (
        "b100, PSNR-Y: ours is worse than [other] on 83 of 100 images; -0.12 dB, 95 % interval "
        "-0.14 to -0.10."
    )


def test_an_interval_that_holds_zero_is_not_distinguishable() -> None:
    found = difference(gains(50, 46, 4), interval=Interval(0.01, -0.02, 0.04))
    assert sentence(found) == (
        "b100, PSNR-Y: ours and [other] are not distinguishable; ours is better on 50 of 100 "
        "images, equal on 4; +0.01 dB, 95 % interval -0.02 to +0.04."
    )


def test_equal_methods_are_called_equal() -> None:
    assert sentence(difference(np.zeros(7))) == (
        "b100, PSNR-Y: ours and [other] are equal on all 7 images."
    )


def test_less_may_be_better() -> None:
    found = difference(-gains(83, 17) / 10, LPIPS, Interval(-0.012, -0.014, -0.010))
    assert sentence(found) == (
        "b100, LPIPS: ours is better than [other] on 83 of 100 images; -0.0120 (lower is better), "
        "95 % interval -0.0140 to -0.0100."
    )
    assert extremes(found) == "Image by image from +0.0100 (image83) to -0.0200 (image82)."


def test_what_does_not_survive_the_correction_is_said() -> None:
    interval = Interval(0.12, 0.1, 0.14)
    doubtful = sentence(difference(gains(60, 40), interval=interval, corrected=0.08))
    assert doubtful.endswith(
        "+0.10 to +0.14; not distinguishable by Wilcoxon's test after Holm's correction (p = 0.08)."
    )
    assert "Holm" not in sentence(difference(gains(60, 40), interval=interval, corrected=0.01))
    within = Interval(0.01, -0.1, 0.1)
    assert "Holm" not in sentence(difference(gains(60, 40), interval=within, corrected=0.9))


@pytest.mark.parametrize(
    ("interval", "shown"),
    [
        (Interval(0.1234, 0.1034, 0.1434), "+0.12 dB, 95 % interval +0.10 to +0.14"),
        (Interval(0.1234, 0.1204, 0.1264), "+0.123 dB, 95 % interval +0.120 to +0.126"),
        (Interval(0.05, 0.0004, 0.1), "+0.0500 dB, 95 % interval +0.0004 to +0.1000"),
        (Interval(-0.001, -0.05, 0.05), "+0.00 dB, 95 % interval -0.05 to +0.05"),
        (Interval(0.015, -0.0004, 0.0304), "95 % interval -0.00 to +0.03"),
        (Interval(1.0, 1.0, 1.0), "+1.00 dB, 95 % interval +1.00 to +1.00"),
        (Interval(1e-12, 1e-12, 1e-12), "+0.00000000 dB"),
    ],
)
def test_digits_follow_the_interval(interval: Interval, shown: str) -> None:
    assert shown in sentence(difference(gains(3, 2), interval=interval))


@pytest.mark.parametrize(
    ("p", "shown"), [(None, ""), (0.5, "0.5"), (0.0312, "0.031"), (1e-5, "< 0.0001"), (1.0, "1")]
)
def test_p_values_have_two_digits(p: float | None, shown: str) -> None:
    assert p_value(p) == shown


def test_too_few_images_for_wilcoxon_are_said_once() -> None:
    few = [difference(gains(5, 0)), difference(gains(5, 0), MEASURES["ssim_y"])]
    (said,) = undecided(few)
    assert said == "Wilcoxon's p of 5 images is at least 0.062: on b100 it can tell nothing apart."
    assert undecided([difference(gains(6, 0))]) == []
    (said,) = undecided([difference(gains(6, 0)) for _ in range(3)])
    assert "at least 0.094 after Holm's correction" in said


def test_the_table_shows_every_pair_and_takes_names_as_they_are() -> None:
    found = [difference(gains(5, 3)), difference(gains(2, 6), MEASURES["ssim_y"])]
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as shown:
        console.print(rich_table(found, "Protocol 0123"))
    lines = shown.get()
    assert lines.count("ours − [other]") == 2
    assert ("5/8" in lines, "2/8" in lines, "Protocol 0123" in lines) == (True, True, True)
    assert "Holm" not in lines
