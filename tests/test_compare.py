"""`python -m mtlsr.compare`: what it says, writes and refuses."""

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import hydra
import numpy as np
import pytest
from omegaconf import DictConfig

from mtlsr import compare, evaluate
from mtlsr.data.images import write_image
from mtlsr.data.resize import bicubic_upscale
from mtlsr.errors import UserError
from mtlsr.metrics import MEASURES
from mtlsr.metrics.paired import holm, paired_interval, signed_rank
from mtlsr.runs.command import conf_folder, quoted
from mtlsr.runs.schema import register
from tests.conftest import Command
from tests.measured import LITERATURE, write_results

RNG = np.random.default_rng(0)
BASE = RNG.normal(28, 3, 20)
GAINS = RNG.gamma(4, 0.1, 20)
BICUBIC = {"bicubic": BASE}


def configured(*overrides: str, command: str = "compare") -> DictConfig:
    """The real configuration, as the command line would compose it."""
    register()
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return hydra.compose(command, [quoted(argument, []) for argument in overrides])


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """Results of two runs on one data set."""
    first = write_results(tmp_path / "new", {"set20": BICUBIC | {"mtlsr": BASE + GAINS}})
    second = write_results(tmp_path / "old", {"set20": BICUBIC | {"mtlsr": BASE + 0.3}})
    return first, second


def test_command_compares_two_results(command: Command, tmp_path: Path, two) -> None:
    done = command("compare", tmp_path, "a=new", "b=old", "output=out (1)")
    assert (done.returncode, done.stderr) == (0, "")
    better = int((GAINS > 0.3).sum())
    interval = paired_interval(GAINS - 0.3)
    assert (
        f"set20, PSNR-Y: new is better than old on {better} of 20 images; {interval.mean:+.2f} dB, "
        f"95 % interval {interval.low:+.2f} to {interval.high:+.2f}.\n"
    ) in done.stdout
    assert f"{signed_rank(GAINS - 0.3):.2g}" in done.stdout
    assert LITERATURE.hash in done.stdout
    assert "Holm" not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"new", "old", "out (1)"}
    written = {path.name for path in (tmp_path / "out (1)").iterdir()}
    assert written == {"comparison.md", "comparison.csv", "differences.csv"}


def test_command_refuses_in_one_line_and_writes_nothing(command: Command, tmp_path: Path) -> None:
    done = command("compare", tmp_path, "a=no,where", "b=there", "output=out")
    assert done.returncode == 1
    assert done.stderr == "mtlsr: no,where does not exist; a folder with results.json is needed.\n"
    assert list(tmp_path.iterdir()) == []


def test_what_evaluate_leaves_is_compared(tmp_path: Path, tiny_model: Path, capsys) -> None:
    rng = np.random.default_rng(0)
    for name in "abcde":
        image = bicubic_upscale(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), 4)
        (tmp_path / "images").mkdir(exist_ok=True)
        write_image(tmp_path / "images" / f"{name}.png", image)
    data = ["dataset=set5", f"dataset.root={tmp_path}/images", "scale=2"]
    places = [f"{key}={tmp_path}/measured" for key in ("folder", "output")]
    evaluate.run(configured(f"model={tiny_model}", *data, *places, command="evaluate"))
    results = json.loads((tmp_path / "measured" / "results.json").read_text())["datasets"]["set5"]

    (found,) = compare.run(configured(f"results={tmp_path}/measured", "metrics=[psnr_y]"))
    gain = results["mtlsr"]["psnr_y"] - results["bicubic"]["psnr_y"]
    assert found.interval.mean == pytest.approx(gain, abs=1e-8)
    assert (found.first, found.second) == ("mtlsr", "bicubic")
    assert list(found.figures) == list("abcde")
    assert "Wilcoxon's p of 5 images is at least 0.062" in capsys.readouterr().out


def test_the_files_hold_every_figure(tmp_path: Path, two, capsys) -> None:
    compare.run(configured(f"a={two[0]}", f"b={two[1]}", f"output={tmp_path}/out"))
    with (tmp_path / "out" / "differences.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "psnr_y"]
    assert [row["image"] for row in rows] == list("abcdefghijklmnopqrst")
    assert [float(row["difference"]) for row in rows] == pytest.approx(GAINS - 0.3)
    assert [float(row["first_figure"]) for row in rows] == pytest.approx(BASE + GAINS)
    with (tmp_path / "out" / "comparison.csv").open(newline="") as file:
        psnr, ssim = csv.DictReader(file)
    interval = paired_interval(GAINS - 0.3)
    assert [float(psnr[key]) for key in ("difference", "low", "high")] == pytest.approx(
        [interval.mean, interval.low, interval.high]
    )
    assert int(psnr["better"]) + int(psnr["equal"]) + int(psnr["worse"]) == 20
    assert (ssim["metric"], ssim["p_holm"]) == ("ssim_y", "")
    page = (tmp_path / "out" / "comparison.md").read_text()
    assert page.startswith("| set | metric | first − second | better | mean | 95 % interval | p |")
    assert "set20, SSIM-Y: new is better than old" in page
    said = capsys.readouterr().out
    least, most = min(GAINS - 0.3), max(GAINS - 0.3)
    images = "abcdefghijklmnopqrst"
    assert (
        f"from {least:+.2f} ({images[GAINS.argmin()]}) to {most:+.2f} ({images[GAINS.argmax()]})"
    ) in said


def test_more_than_two_are_corrected_for_their_number(tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(1)
    shifts = {"one": 0.3, "two": 0.05, "three": 0.0}
    methods = {name: BASE + rng.normal(shift, 0.2, 20) for name, shift in shifts.items()}
    write_results(tmp_path / "all", {"set20": BICUBIC | methods})
    given = [f"results={tmp_path}/all", "methods=[one,two,three]", "metrics=[psnr_y]"]
    found = compare.run(configured(*given))
    assert [(d.first, d.second) for d in found] == [
        ("one", "two"), ("one", "three"), ("two", "three"),
    ]  # fmt: skip
    plain = [signed_rank(methods[d.first] - methods[d.second]) for d in found]
    assert [d.p for d in found] == pytest.approx(plain)
    assert [d.corrected for d in found] == pytest.approx(holm(plain))
    assert "Holm p" in capsys.readouterr().out
    found = compare.run(configured(*given, "baseline=three"))
    assert [(d.first, d.second) for d in found] == [("one", "three"), ("two", "three")]
    assert [d.corrected for d in found] == pytest.approx(holm(plain[1:]))


def test_swapping_the_results_swaps_the_sign(two) -> None:
    (found, *_), (swapped, *_) = (
        compare.run(configured(f"a={a}", f"b={b}")) for a, b in (two, reversed(two))
    )
    assert found.interval.low == pytest.approx(-swapped.interval.high)
    assert (found.better, found.p) == (swapped.worse, swapped.p)


def test_several_data_sets_are_told_apart_and_what_cannot_be_compared_is_named(
    tmp_path: Path, capsys
) -> None:
    large, small = {"mtlsr": BASE}, {"mtlsr": BASE[:3]}
    for name, extra in (("new", 0.1), ("old", 0.0)):
        figures = {"one": {"mtlsr": BASE + extra}, "two": {"mtlsr": BASE - extra}, "few": small}
        write_results(tmp_path / name, figures | ({"alone": large} if name == "new" else {}))
    given = [f"a={tmp_path}/new", f"b={tmp_path}/old"]
    found = compare.run(configured(*given))
    assert [(d.dataset, d.measure.name) for d in found] == [
        ("one", "psnr_y"), ("one", "ssim_y"), ("two", "psnr_y"), ("two", "ssim_y"),
    ]  # fmt: skip
    said = capsys.readouterr().out
    assert "Left out: few has 3 images, fewer than 5." in said
    assert "Left out: alone is not in the results of old." in said
    assert "two, PSNR-Y: new is worse than old on 20 of 20 images; -0.10 dB" in said
    found = compare.run(configured(*given, "datasets=[two]", "metrics=[ssim_rgb]"))
    assert [(d.dataset, d.measure.name) for d in found] == [("two", "ssim_rgb")]


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["a=X/run", "b=Y/other"], ["run", "other"]),
        (["a=X/run", "b=Y/run"], ["X/run", "Y/run"]),
        (["results=[X/run,Y/run,Y/other]"], ["X/run", "Y/run", "Y/other"]),
        (["results={ours: X/run, theirs: Y/run}"], ["ours", "theirs"]),
        (["results=X/run"], ["mtlsr", "bicubic"]),
        (["results=Y/several"], ["edsr", "imdn", "bicubic"]),
        (["results=Y/several", "methods=[bicubic,imdn]"], ["bicubic", "imdn"]),
        (["a=X/run", "b=Y/several"], ["mtlsr", "edsr", "imdn"]),
        (["a=Y/several", "b=Z/several"], ["Y/several:edsr", "Y/several:imdn",
         "Z/several:edsr", "Z/several:imdn"]),
        (["a=Y/several", "b=Z/several", "methods=[Y/several:edsr,imdn,bicubic]"],
         ["Y/several:edsr", "Y/several:imdn", "Z/several:imdn", "bicubic"]),
        (["a=Y/several", "b=Z/several", "methods=[edsr]"], ["Y/several", "Z/several"]),
        (["a=X/run", "b=Y/bare"], ["mtlsr", "bicubic"]),
        (["a=X/run", "b=Y/run", "methods=[mtlsr,bicubic]"], ["X/run", "Y/run", "bicubic"]),
    ],
)  # fmt: skip
def test_methods_have_names_that_tell_them_apart(
    tmp_path: Path, monkeypatch, overrides: list[str], names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run, several = BICUBIC | {"mtlsr": BASE + 1}, BICUBIC | {"edsr": BASE + 2, "imdn": BASE}
    for place in ("X/run", "Y/run", "Y/other"):
        write_results(Path(place), {"set20": run})
    for place in ("Y/several", "Z/several"):
        write_results(Path(place), {"set20": several})
    write_results(Path("Y/bare"), {"set20": BICUBIC})
    found = compare.run(configured(*overrides, "metrics=[psnr_y]"))
    count = len(names)
    assert len(found) == count * (count - 1) / 2
    assert list(dict.fromkeys(n for d in found for n in (d.first, d.second))) == names


def test_infinite_psnr_counts_as_in_the_means_and_is_said(tmp_path: Path, capsys) -> None:
    equal = np.where(np.arange(20) < 2, math.inf, BASE)
    write_results(tmp_path / "x", {"set20": {"other": BASE, "copy": equal}})
    write_results(tmp_path / "y", {"set20": {"copy": equal}})
    found, *_ = compare.run(configured(f"results={tmp_path}/x", "methods=[copy,other]"))
    assert found.interval.mean == pytest.approx(np.mean(100 - BASE[:2]) * 2 / 20)
    said = capsys.readouterr().out
    assert (
        "copy has an infinite PSNR-Y in 2 of 20 images of set20, where nothing differs; it counts "
        "as 100 dB in means."
    ) in said
    found, *_ = compare.run(configured(f"a={tmp_path}/x", f"b={tmp_path}/y", "methods=[copy]"))
    assert (found.equal, found.interval.mean, found.p) == (20, 0.0, 1.0)
    assert "x and y are equal on all 20 images." in capsys.readouterr().out


def test_a_ceiling_of_ones_own_counts_here_too(tmp_path: Path, capsys) -> None:
    protocol = replace(LITERATURE, ceiling=60.0)
    equal = np.where(np.arange(20) < 2, math.inf, BASE)
    methods = {"other": BASE, "copy": equal}
    write_results(tmp_path / "x", {"set20": methods}, protocol=protocol)
    found, *_ = compare.run(configured(f"results={tmp_path}/x", "methods=[copy,other]"))
    assert found.interval.mean == pytest.approx(np.mean(60 - BASE[:2]) * 2 / 20)
    assert "it counts as 60 dB in means." in capsys.readouterr().out


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_can_be_compared(two, capsys, name: str) -> None:
    (found,) = compare.run(configured(f"a={two[0]}", f"b={two[1]}", f"metrics=[{name}]"))
    assert found.better == int((GAINS > 0.3).sum())
    said = capsys.readouterr().out
    assert f"set20, {MEASURES[name].title}: new is better than old on {found.better}" in said
    assert ("(lower is better)" in said) == (name in ("gmsd", "texture", "niqe", "lpips", "dists"))


def test_unusual_settings_are_said(tmp_path: Path, capsys) -> None:
    write_results(tmp_path / "x", {"set20": {"mtlsr": BASE}}, precision="bfloat16", tile=64)
    write_results(tmp_path / "y", {"set20": {"mtlsr": BASE + 1}})
    compare.run(configured(f"a={tmp_path}/x", f"b={tmp_path}/y"))
    said = capsys.readouterr().out
    assert "x was measured with precision bfloat16, tile 64." in said
    assert "y was measured" not in said


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "Give two results as a=<folder> b=<folder>, any number as results="),
        (["a=X"], "Give two results"),
        (["a=X", "b=Y", "results=X"], "Give two results"),
        (["a=X", "b=X/../X"], r"A folder is given twice: X, X/\.\./X\. results=<folder>"),
        (["results=[]"], r"results is \[\]; a folder, a list or a mapping"),
        (["results=[3]"], r"results is \[3\]; a folder"),
        (["a=X", "b=nowhere"], "nowhere does not exist; a folder with results.json is needed"),
        (["a=X", "b=empty"], "empty holds no results.json: mtlsr.train and mtlsr.evaluate leave"),
        (["a=X", "b=half"], "half holds no per_image.csv"),
        (["a=X", "b=border"], r"X and border cannot be ranked .* differ in border \(4 and 0\)"),
        (["a=X", "b=older"], "older was measured under protocol 0123456789ab, which is not of "),
        (["a=X", "b=bent"], r"bent/results\.json is damaged: .*border is -1"),
        (["a=X", "b=less"], "images of set20 are not the same: less lacks s, t"),
        (["a=X", "b=more"], "X lacks u; more lacks q, r, s and 1 more"),
        (["a=X", "b=moved"], "a of set20 is another image, .* bicubic is .* in X, .* in moved"),
        (["a=X", "b=else"], "Nothing can be said: set20 is not in .* else; other is not in .* X"),
        (["a=X", "b=Y", "datasets=[set5]"], "set5 is not in the results of X, Y"),
        (["a=tiny", "b=tiny2"], "Nothing can be said: set4 has 4 images, fewer than 5"),
        (["a=X", "b=Y", "metrics=[vmaf]"], r"metrics is \['vmaf'\]; choose from psnr_y, "),
        (
            ["a=X", "b=Y", "metrics=[]"],
            r"metrics is \[\]; choose from psnr_y, .*niqe, lpips",
        ),
        (["a=X", "b=blank"], "blank has no psnr_y of c of set20"),
        (["a=X", "b=bare", "metrics=[niqe]"], "bare has no niqe of set20; it has psnr_y, ssim_y"),
        (["a=X", "b=Y", "methods=[edsr]"], "methods holds 'edsr'; the results hold mtlsr, bicubic"),
        (["results=X", "methods=[mtlsr]"], "Only mtlsr is there to compare; at least two"),
        (["results=other"], "Only mtlsr is there to compare"),
        (["a=X", "b=Y", "baseline=bicubic"], "baseline is 'bicubic'; it is one of X, Y"),
        (["a=X", "b=Y", "output=X/results.json"], "which is a file; a folder is needed"),
        (["a=X", "b=twice"], "per_image.csv has image 'a' of set20 twice for mtlsr"),
        (["a=X", "b=text"], "per_image.csv is damaged in line 3: could not convert"),
        (["a=X", "b=short"], "per_image.csv is damaged in line 3"),
        (["a=X", "b=headless"], "per_image.csv is damaged: it has no column dataset, method"),
        (["a=X", "b=json"], "results.json is damaged"),
        (["a=X", "b=flat"], "results.json is damaged"),
        (["a=X", "b=mixed"], "are not of one evaluation: psnr_y of mtlsr on set20 differs"),
        (["a=X", "b=fewer"], "are not of one evaluation: they hold other data sets or methods"),
    ],
)
def test_refusals(tmp_path: Path, monkeypatch, overrides: list[str], message: str) -> None:
    monkeypatch.chdir(tmp_path)
    usual = {"set20": BICUBIC | {"mtlsr": BASE + 1}}
    places = (
        "X",
        "Y",
        "half",
        "twice",
        "text",
        "short",
        "headless",
        "json",
        "flat",
        "mixed",
        "bare",
    )
    for place in (*places, "fewer", "blank"):
        write_results(Path(place), usual)
    Path("empty").mkdir()
    Path("half", "per_image.csv").unlink()
    write_results(Path("border"), usual, protocol=replace(LITERATURE, border=0))
    for place in ("older", "bent"):
        write_results(Path(place), usual)
    stored = Path("older", "results.json").read_text().replace(LITERATURE.hash, "0123456789ab")
    Path("older", "results.json").write_text(stored)
    bent = json.loads(stored) | {"protocol_values": LITERATURE.describe() | {"border": -1}}
    Path("bent", "results.json").write_text(json.dumps(bent))
    write_results(Path("less"), {"set20": {"mtlsr": BASE[:18]}})
    write_results(Path("more"), {"set20": {"mtlsr": BASE[:17]}}, names="abcdefghijklmnopu")
    write_results(Path("moved"), {"set20": {"bicubic": BASE + 0.01, "mtlsr": BASE}})
    write_results(Path("else"), {"other": {"mtlsr": BASE}})
    write_results(Path("other"), {"set20": {"mtlsr": BASE}})
    for place in ("tiny", "tiny2"):
        write_results(Path(place), {"set4": {"mtlsr": BASE[:4]}})
    Path("json", "results.json").write_text('{"protocol": ')
    Path("flat", "results.json").write_text('{"protocol": "x", "datasets": {"set20": 3}}')
    write_results(Path("mixed2"), {"set20": BICUBIC | {"mtlsr": BASE + 2}})
    Path("mixed2", "per_image.csv").replace("mixed/per_image.csv")
    write_results(Path("fewer2"), {"set20": BICUBIC})
    Path("fewer2", "per_image.csv").replace("fewer/per_image.csv")
    lines = Path("X", "per_image.csv").read_text().splitlines()
    tables = {
        "bare": [",".join(line.split(",")[:5]) for line in lines],
        "twice": [*lines, lines[-20]],
        "text": [*lines[:2], lines[2].replace(lines[2].split(",")[3], "loud"), *lines[3:]],
        "short": [*lines[:2], "set20,b,bicubic,27.5", *lines[3:]],
        "headless": ["set,image,who,psnr_y", *lines[1:]],
    }
    for place, table in tables.items():
        Path(place, "per_image.csv").write_text("\n".join(table) + "\n")
    blank = [line.split(",") for line in lines]
    blank[23][3] = ""
    Path("blank", "per_image.csv").write_text("\n".join(map(",".join, blank)) + "\n")

    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=message):
        compare.check(configured(*overrides))
    assert sorted(tmp_path.rglob("*")) == before
