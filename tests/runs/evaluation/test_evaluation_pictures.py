from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.data.images import read_image
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.metrics import Protocol
from mtlsr.runs.evaluation.measuring import evaluate
from mtlsr.runs.evaluation.pictures import CROP, _chosen, draw, where_they_differ
from mtlsr.runs.pictures import CAPTION, write_panel
from tests.runs.evaluation.sets import Made, write_set

PROTOCOL = Protocol.preset("literature", 2)


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        ([0.3], {"only": 0}),
        ([0.3, 0.1], {"worst": 1, "best": 0}),
        ([0.3, 0.1, 0.2], {"worst": 1, "best": 0, "median": 2}),
        ([5.0, -1.0, 2.0, 3.0, 4.0], {"worst": 1, "best": 0, "median": 3}),
    ],
)
def test_worst_median_and_best(gains: list[float], chosen: dict[str, int]) -> None:
    assert _chosen(gains) == chosen


def test_the_crop_is_where_the_methods_differ() -> None:
    first = np.full((60, 80, 3), 100, np.uint8)
    second = first.copy()
    second[31:39, 52:60] = 180
    top, left = where_they_differ([first, second], first, 16)
    assert top <= 31 <= 39 <= top + 16
    assert left <= 52 <= 60 <= left + 16
    second[:] = first
    second[0, 79] = 255  # in the corner
    assert where_they_differ([first, second], first, 16)[1] == 64


def test_a_method_alone_is_compared_with_the_truth() -> None:
    hr = np.zeros((40, 40, 3), np.uint8)
    hr[30:34, 8:12] = 255
    top, left = where_they_differ([np.zeros_like(hr)], hr, 8)
    assert (22 < top <= 30, 0 < left <= 8) == (True, True)


def test_panels_show_the_images_that_gain_least_and_most(tmp_path: Path) -> None:
    """`ours` is HR itself on image 2 and black on image 0."""
    files = write_set(tmp_path / "HR", [(64, 80), (64, 80), (70, 64), (64, 66), (64, 64)])
    images = EvaluationSet("five", files, 2)

    def ours(pair: EvaluationPair) -> np.ndarray:
        if pair.name in "02":
            return pair.hr if pair.name == "2" else np.zeros_like(pair.hr)
        return Interpolation("lanczos")([pair])[0]

    methods = {"bicubic": Interpolation("bicubic"), "ours": Made(ours)}
    results = evaluate([images], methods, PROTOCOL)
    written = draw(results, [images], methods, tmp_path / "pictures")
    names = {path.name.partition("_")[0]: path.stem.partition("_")[2] for path in written}
    assert (names["worst"], names["best"]) == ("0", "2")
    assert {path.parent for path in written} == {tmp_path / "pictures" / "five"}

    side, times = 64, 288 // 64
    panel = read_image(tmp_path / "pictures" / "five" / "worst_0.png")
    whole = round(side * times / 64 * 80)
    assert panel.shape == (side * times + 2 * CAPTION, whole + 4 * side * times, 3)
    crop = panel[CAPTION:-CAPTION, whole + 2 * side * times : whole + 3 * side * times]
    assert not crop.any()  # ours, which is black


def test_grey_and_small_images_have_pictures_too(tmp_path: Path) -> None:
    Image.effect_noise((30, 26), 60).save(tmp_path / "grey.png")
    images = EvaluationSet("grey", [tmp_path / "grey.png"], 2)
    methods = {"bicubic": Interpolation("bicubic")}
    (path,) = draw(evaluate([images], methods, PROTOCOL), [images], methods, tmp_path / "pictures")
    assert path.name == "only_grey.png"
    assert CROP > 26
    assert read_image(path).shape[0] > 26


def test_a_panel_has_a_name_above_and_figures_below_each_picture(tmp_path: Path) -> None:
    pictures = {"narrow": np.zeros((20, 10, 3), np.uint8), "b": np.zeros((20, 90, 3), np.uint8)}
    write_panel(tmp_path / "plain.png", pictures)
    write_panel(tmp_path / "below.png", pictures, {"b": "28.42 / 0.8104"})
    assert read_image(tmp_path / "plain.png").shape == (20 + CAPTION, 100, 3)
    below = read_image(tmp_path / "below.png")
    assert below.shape == (20 + 2 * CAPTION, 100, 3)
    assert below[20 + CAPTION :, :10].min() == 255
    assert below[20 + CAPTION :, 10:].min() < 128
    assert below[:CAPTION, :10].min() == 255  # no room for a single letter
