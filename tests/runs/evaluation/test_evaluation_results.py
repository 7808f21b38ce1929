import csv
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mtlsr.errors import UserError
from mtlsr.metrics import MEASURES, Protocol
from mtlsr.runs.evaluation.measures import STANDARD, find_measures
from mtlsr.runs.evaluation.results import Results
from mtlsr.runs.recorded import read
from mtlsr.runs.schema import ConfigError

PROTOCOL = Protocol.preset("literature", 4)
PSNR, SSIM = STANDARD[:2]


def results(figures: dict[tuple[str, str, str], tuple[float, float]], **more: Any) -> Results:
    """(Data set, image, method) -> PSNR and SSIM."""
    rows = [
        {"dataset": d, "image": i, "method": m, "psnr_y": psnr, "ssim_y": ssim}
        for (d, i, m), (psnr, ssim) in figures.items()
    ]
    return Results(PROTOCOL, (PSNR, SSIM), rows, **more)


PLAIN = {
    ("set5", "baby", "bicubic"): (30.0, 0.8), ("set5", "baby", "ours"): (32.0, 0.9),
    ("set5", "bird", "bicubic"): (28.0, 0.7), ("set5", "bird", "ours"): (math.inf, 1.0),
}  # fmt: skip


def test_means_are_over_images_and_infinite_figures_count_as_the_ceiling() -> None:
    assert results(PLAIN).datasets == {
        "set5": {
            "bicubic": {"psnr_y": 29.0, "ssim_y": 0.75, "images": 2},
            "ours": {"psnr_y": (32 + PROTOCOL.ceiling) / 2, "ssim_y": 0.95, "images": 2},
        }
    }


def test_infinite_figures_are_said_by_their_measures() -> None:
    assert results(PLAIN, notes=("A note.",)).remarks() == [
        "A note.",
        "ours has an infinite PSNR-Y in 1 of 2 images of set5, where nothing differs; it counts "
        "as 100 dB in means.",
    ]
    rows = [
        {"dataset": "set5", "image": image, "method": "ours", "psnr_y": figure, "psnr_rgb": figure,
         "lr_psnr": math.inf}
        for image, figure in (("baby", 30.0), ("bird", math.inf))
    ]  # fmt: skip
    measures = tuple(MEASURES[name] for name in ("psnr_y", "psnr_rgb", "lr_psnr"))
    said = " ".join(Results(PROTOCOL, measures, rows).remarks())
    assert "an infinite PSNR-Y and PSNR-RGB in 1 of 2 images" in said
    assert "an infinite LR-PSNR in 2 of 2 images" in said


def test_what_is_written_can_be_put_beside_others(tmp_path: Path) -> None:
    first = results(PLAIN, settings={"precision": "bfloat16"})
    folder = tmp_path / "first"
    folder.mkdir()
    first.write(folder)
    written = json.loads((folder / "results.json").read_text())
    assert written["protocol"] == PROTOCOL.hash
    assert "protocol_values" not in written
    assert written["settings"] == {"precision": "bfloat16"}
    with (folder / "per_image.csv").open(newline="") as file:
        assert [row["psnr_y"] for row in csv.DictReader(file)] == ["30.0", "32.0", "28.0", "inf"]

    both = results(PLAIN).beside(folder)
    methods = both.datasets["set5"]
    assert list(methods) == ["bicubic", "ours", "first/ours"]
    assert methods["first/ours"] == methods["ours"] == first.datasets["set5"]["ours"]
    assert "first was measured with precision bfloat16." in both.remarks()
    assert [row["image"] for row in both.images] == ["baby"] * 3 + ["bird"] * 3


def test_two_methods_of_one_name_from_folders_of_one_name_stay_two(tmp_path: Path) -> None:
    figures = {key: (value[0] + 1, value[1]) for key, value in PLAIN.items() if key[2] == "ours"}
    kept = {key: value for key, value in PLAIN.items() if key[2] == "bicubic"}
    both = results(PLAIN)
    for name, more in (("a", {}), ("b", figures)):
        folder = tmp_path / name / "0"
        folder.mkdir(parents=True)
        results(PLAIN | kept | more).write(folder)
        both = both.beside(folder)
    means = both.datasets["set5"]
    assert list(means) == ["bicubic", "ours", "0/ours", "b/0/ours"]
    assert [own["images"] for own in means.values()] == [2, 2, 2, 2]
    assert means["b/0/ours"]["psnr_y"] == means["0/ours"]["psnr_y"] + 0.5  # the other is infinite
    again = both.beside(tmp_path / "b" / "0").datasets["set5"]
    assert list(again)[-1] == f"{tmp_path.name}/b/0/ours"


def test_images_that_are_the_same_by_name_only_are_not_ranked_together(tmp_path: Path) -> None:
    results(PLAIN).write(tmp_path)
    other = results(PLAIN | {("set5", "baby", "bicubic"): (30.5, 0.8)})
    with pytest.raises(ConfigError, match="baby of set5 is another image, or was shrunk otherwise"):
        other.beside(tmp_path)


def test_figures_of_another_protocol_are_not_ranked_with_these(tmp_path: Path) -> None:
    results(PLAIN).write(tmp_path)
    for changes in ({"border": 0}, {"colour": "bt601-full"}, {"grey": "rgb"}):
        other = replace(results(PLAIN), protocol=replace(PROTOCOL, **changes))
        said = f"cannot be ranked together: .*{other.protocol.hash} and {PROTOCOL.hash}"
        with pytest.raises(UserError, match=said):
            other.beside(tmp_path)


def test_a_changed_protocol_is_written_with_its_values(tmp_path: Path) -> None:
    own = replace(results(PLAIN), protocol=replace(PROTOCOL, ceiling=60.0, border=3))
    own.write(tmp_path)
    written = json.loads((tmp_path / "results.json").read_text())
    assert written["protocol_values"] == own.protocol.describe()
    assert read(tmp_path).protocol == own.protocol
    assert list(own.beside(tmp_path).datasets["set5"]) == [
        "bicubic",
        "ours",
        f"{tmp_path.name}/ours",
    ]
    said = r"differ in border \(4 and 3\) and ceiling \(100.0 and 60.0\)"
    with pytest.raises(UserError, match=said):
        results(PLAIN).beside(tmp_path)


def test_means_over_other_images_are_not_ranked_with_these(tmp_path: Path) -> None:
    results(PLAIN).write(tmp_path)
    fewer = {key: value for key, value in PLAIN.items() if key[1] == "baby"}
    for other in (fewer, PLAIN | {("set14", "zebra", "bicubic"): (27.0, 0.7)}):
        with pytest.raises(ConfigError, match="measured on other images of set"):
            results(other).beside(tmp_path)


def test_results_without_a_measure_and_folders_without_results_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no results\.json"):
        results(PLAIN).beside(tmp_path)
    results(PLAIN).write(tmp_path)
    more = Results(PROTOCOL, STANDARD, [])
    with pytest.raises(ConfigError, match="lacks psnr_rgb, ssim_rgb"):
        more.beside(tmp_path)
    (tmp_path / "results.json").write_text("[]")
    with pytest.raises(ConfigError, match=r"results\.json is damaged"):
        results(PLAIN).beside(tmp_path)


def test_measures_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="'psnr' is unknown; known are psnr_y"):
        find_measures(["psnr_y", "psnr"])
    for asked in ([], ["psnr_y", "psnr_y"]):
        with pytest.raises(ConfigError, match="at most once"):
            find_measures(asked)


def test_a_measure_that_lacks_its_package_is_named_and_the_others_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mtlsr.errors import UserError
    from mtlsr.runs.evaluation import measures as room

    whole = room.measures

    def without_ssim(names: list[str]) -> Any:
        if "ssim_y" in names:
            raise UserError("ssim_y needs the package nowhere.")
        return whole(names)

    monkeypatch.setattr(room, "measures", without_ssim)
    found, missing = find_measures(["psnr_y", "ssim_y"])
    assert [each.name for each in found] == ["psnr_y"]
    assert missing == ("Not measured: ssim_y needs the package nowhere.",)
    with pytest.raises(ConfigError, match="of which none can be measured"):
        find_measures(["ssim_y"])
