"""Studies that are sweeps: what they compare, what they write, what of them reproduces."""

import csv
import json
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import reproduce
from experiments.baselines.study import WIDTHS
from experiments.common import in_parallel
from experiments.lambda_response.study import DEFAULT, curves
from experiments.study import Shown, Study, check_equal, main, names, publish, train
from mtlsr.metrics import MEASURES
from mtlsr.networks.measure import parameters
from mtlsr.networks.table import build_network
from mtlsr.runs import build, checking
from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.leaderboard import leaderboard
from mtlsr.sweeps.statistics import Score
from tests.conftest import QUICK, write_photographs
from tests.sweeps.made import write_job, write_sweep
from tests.waiting import waits_for

STUDIES = (
    "balancing",
    "baselines",
    "lambda_response",
    "optimiser",
    "realism",
    "scarcity",
    "stages",
)
ROOT = Path(__file__).parents[1]


def study(name: str) -> Study:
    found: Study = import_module(f"experiments.{name}.study").STUDY
    return found


CASES = [(name, variant) for name in STUDIES for variant in study(name).variants]


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_each_variant_can_be_trained_for_as_many_steps_as_the_others(
    compose, composer, small_photographs, name, variant
):
    given = [each for each in QUICK if not each.startswith("schedule")]
    data = ["dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=1"]
    cfg = _composed([*given, *data, "logger=csv", *study(name).variants[variant]])
    checking.check(cfg)
    steps = sum(cfg.schedule[stage].steps for stage in cfg.stages)
    assert steps == (54560 if name == "scarcity" else 3560)


def _composed(overrides):
    import hydra

    from mtlsr.runs.command import conf_folder
    from mtlsr.runs.schema import register

    register()
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return hydra.compose("train", overrides)


def test_the_baselines_have_the_size_that_they_are_said_to_have():
    ours = parameters(build_network(**build.architecture(_composed([]))))
    for number, times in enumerate((1, 2)):
        for file, override, widths in WIDTHS.values():
            chosen = [f"backbone/single_task={file}", override.format(widths[number])]
            cfg = _composed(["experiment=single_task", *chosen])
            size = parameters(build_network(**build.architecture(cfg)))
            assert size == pytest.approx(times * ours, rel=0.05), (file, times)


@pytest.mark.parametrize("name", STUDIES)
def test_each_study_says_what_it_asks_how_it_is_run_and_has_a_place_for_its_table(name):
    page = (ROOT / "experiments" / name / "README.md").read_text(encoding="utf-8")
    assert "**Question.**" in page and "**Answer.**" in page
    assert f"python -m experiments.{name}.study" in page
    assert "<!-- table -->\n" in page and "<!-- end -->" in page


@pytest.fixture
def made(tmp_path):
    """A study of two variants under two seeds, as its sweeps would have left it."""
    folder, runs = tmp_path / "question", tmp_path / "runs"
    folder.mkdir()
    (folder / "README.md").write_text("# Q\n\n<!-- table -->\n<!-- end -->\n")
    base, gain = np.linspace(25, 32, 6), np.linspace(0.1, 0.3, 6)
    variants = {"plain": [], "more": ["loss.lambda2=1"]}
    for index, overrides in enumerate(variants.values()):
        sweep = write_sweep(runs / str(index), *overrides, "scale=4", "seed=0,1")
        for seed in (0, 1):
            figures = {"set": {"bicubic": base - 1, "mtlsr": base + gain * index + 0.01 * seed}}
            write_job(
                sweep,
                seed,
                [*overrides, "scale=4", f"dataset.root={tmp_path}", f"seed={seed}"],
                figures,
                config={"seed": seed, "loss": {"lambda2": 0.1}},
                started="2026-01-02T03:04:05+00:00",
                hardware={"cpu": "x86", "capability": "AVX2", "threads": 1, "gpus": []},
                commit=f"{index}123456789abc",
                stage1={"key": str(seed)},
            )
            terms = {"set": {"realism": (0.03, 0.02)[seed] * (1 - 0.1 * index)}}
            (sweep / str(seed) / "terms.json").write_text(json.dumps(terms))
    return Study(folder, variants, ("psnr_y",), lambda run: {"digits": float(len(run.name))}), runs


def test_a_study_writes_its_table_its_values_and_its_plot(made):
    study, runs = made
    found = leaderboard([runs / "0", runs / "1"], None, study.measures)
    publish(study, found, runs)
    page = (study.folder / "README.md").read_text()
    assert (
        "4 of 4 jobs, the last one begun on 2026-01-02, on x86 (AVX2), 1 thread, "
        "commit 0123456789, 1123456789, all with `scale=4`. Written "
    ) in page
    assert "The jobs ran different code: commits 0123456789abc, 1123456789abc." in page
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    by_name = {row[0].removeprefix("| "): row for row in rows}
    assert by_name["plain"][1:3] == ["2", "28.51 ± 0.01"]
    assert by_name["more"][3].startswith("+0.20 (") and by_name["more"][4] == "better"
    assert (by_name["plain"][5], by_name["more"][5]) == ("0.025", "0.0225 (-10 ± 0 %)")
    assert by_name["more"][6] == "1 ± 0"
    with (study.folder / "gram.csv").open() as file:
        distances = [float(row["Gram distance"]) for row in csv.DictReader(file)]
    assert distances == pytest.approx([0.03, 0.02, 0.027, 0.018])
    assert by_name["bicubic"][2] == "27.50"
    with (study.folder / "figures.csv").open() as file:
        assert [row["variant"] for row in csv.DictReader(file)] == ["plain"] * 2 + ["more"] * 2
    assert (study.folder / "table.csv").is_file() and (study.folder / "figure.png").is_file()


def test_the_curves_over_lambda_go_through_the_means_and_pass_over_what_is_not_done():
    from matplotlib.figure import Figure

    scores = {
        DEFAULT: Score({"0": 28.0, "1": 30.0}, None, 0, True),
        "λ2 = 0": Score({"0": 27.0}, None, 0, True),
        "λ3 = 10": Score({"0": 26.0}, None, 0, True),
    }
    further = {name: [{"raw realism": 1.0, "raw structure": 2.0}] for name in scores}
    board = SimpleNamespace(measures=[MEASURES["psnr_y"]])
    figure = Figure()
    curves(Shown(board, DEFAULT, scores, further), figure)
    lines = [panel.lines[0] for panel in figure.axes]
    assert [list(line.get_xdata(orig=True)) for line in lines[:2]] == [["0", "0.1"], ["1", "10"]]
    assert [list(line.get_ydata()) for line in lines] == [[27, 29], [29, 26], [1, 1], [2, 2]]


def test_a_study_refuses_to_sweep_over_anything_but_the_seed(made):
    study, runs = made
    with (runs / "1" / "1" / ".hydra" / "overrides.yaml").open("w") as file:
        file.write("[loss.lambda2=2, seed=1]")
    with pytest.raises(ConfigError, match="sweep over something but the seed"):
        names(study, leaderboard([runs / "0", runs / "1"], None, ["psnr_y"]), runs)


TRAINING = (
    "import signal, sys, time, pathlib; here = pathlib.Path(sys.argv[1]);"
    "end = lambda number, _: (time.sleep(1), (here / 'saved').touch(), sys.exit(128 + number));"
    "[signal.signal(each, end) for each in (signal.SIGINT, signal.SIGTERM)];"
    "(here / 'begun').touch(); time.sleep(60)"
)
"""Stands for one: it takes a second to end."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_study_that_is_stopped_lets_its_training_end_and_begins_no_other(tmp_path, number):
    """The training is that of the first of two variants."""
    program = (
        "import sys; from pathlib import Path; from experiments import study;"
        "here = Path(sys.argv[1]); command = [sys.executable, '-c', sys.argv[2], str(here)];"
        "del sys.argv[1:3];"
        "said = lambda sweep: (here / sweep.name).open('w');"
        "study.train = lambda runs, sweep, *_: study.call(command, stdout=said(sweep));"
        "study.main(study.Study(here, {'one': (), 'two': ()}))"
    )
    arguments = [sys.executable, "-c", program, str(tmp_path), TRAINING]
    with subprocess.Popen(
        [*arguments, "--runs", str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as ours:
        waits_for(tmp_path / "begun")
        ours.send_signal(number)
        said = ours.communicate(timeout=30)[1]
    assert ours.returncode == 128 + number
    assert "The same command goes on where it was." in said
    assert (tmp_path / "saved").exists()
    assert not (tmp_path / "1").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_trainings_side_by_side_end_in_their_own_way_and_no_other_begins(tmp_path, number):
    program = (
        "import subprocess, sys; from experiments.common import call, in_parallel;"
        "command = [sys.executable, '-c', sys.argv[1]];\n"
        "def one(folder):\n"
        "    if code := call([*command, folder]):\n"
        "        raise subprocess.CalledProcessError(code, command)\n"
        "in_parallel(2, one, sys.argv[2:])"
    )
    folders = [tmp_path / name for name in "abc"]
    for folder in folders:
        folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", program, TRAINING, *map(str, folders)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    ) as ours:
        waits_for(folders[0] / "begun")
        waits_for(folders[1] / "begun")
        ours.send_signal(number)
        said = ours.communicate(timeout=30)[1]
    assert ours.returncode == 128 + number
    assert said == "Stopped. The same command goes on where it was.\n"
    assert [sorted(path.name for path in folder.iterdir()) for folder in folders] == [
        ["begun", "saved"],
        ["begun", "saved"],
        [],
    ]


def test_what_fails_side_by_side_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_parallel(2, lambda value: 1 / value, [1, 0])


def test_a_study_whose_sweeps_are_refused_publishes_nothing(made, monkeypatch):
    study, runs = made
    page = study.folder / "README.md"
    before = page.read_text()
    for sweep in ("0", "1"):
        (runs / sweep / "sweep.csv").write_text("as it was")
    monkeypatch.setattr("experiments.study.train", lambda *_: 1)
    monkeypatch.setattr(sys, "argv", ["study", "--runs", str(runs), "scale=2"])
    with pytest.raises(SystemExit, match=r"runs/0 was refused; nothing is published. See .*0.log"):
        main(study)
    assert page.read_text() == before


@pytest.mark.parametrize("path", sorted(ROOT.glob("experiments/*/table.csv")), ids=str)
def test_the_tables_of_sweeps_have_the_columns_that_they_would_have_today(path):
    columns = path.read_text().partition("\n")[0].split(",")
    assert "measured_on" in columns or "sweep" not in columns


def test_folders_are_found_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("folder", "0", "x4"):  # choices, numbers and labels may be called like a folder
        (tmp_path / name).mkdir()
    given = ["data", "dataset.root=data", "runs=../", "dataset=folder", "--seeds", "0", "x4=x4"]
    expected = [f"{tmp_path}/data", f"dataset.root={tmp_path}/data", f"runs={tmp_path.parent}"]
    assert [reproduce._absolute(each) for each in given] == [*expected, *given[3:]]
    assert reproduce._absolute("dataset.root=" + "a" * 300) == "dataset.root=" + "a" * 300


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["variant,seconds,value", *rows]) + "\n")
    return path


@pytest.mark.parametrize(
    ("rows", "said", "same"),
    [
        (["a,9,1.5", "b,9,"], "1 of 1 figures are the same to the last digit.", True),
        (
            ["a,2,1.75", "b,2,"],
            "0 of 1 figures are the same to the last digit; the others are",
            False,
        ),
        (["a,2,1.5"], "other rows: 2 then, 1 now.", False),
        (["a,2,1.5", "b,2,1"], "row 2 is another one: value was  and is None.", False),
        (["a,2,1.5", "c,2,"], "row 2 is another one: variant was b and is c.", False),
    ],
)
def test_reproducing_says_which_figures_agree(tmp_path, rows, said, same):
    before = table(tmp_path / "before.csv", "a,1,1.5", "b,1,")
    told, agrees = reproduce.compare(before, table(tmp_path / "after.csv", *rows))
    assert told.startswith(said) and agrees == same
    assert reproduce.compare(before, tmp_path / "nowhere.csv") == ("was not written.", False)


def test_what_is_no_figure_is_not_counted_and_no_number_agrees_with_no_number(tmp_path):
    head = "job,seed,image,loss.lambda2,psnr_y,niqe\n"
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    before.write_text(f"{head}0,0,27,0.1,28.5,nan\n1,1,28,0.2,29.5,5.5\n")
    after.write_text(f"{head}0,0,27,0.1,28.5,nan\n1,1,28,0.2,29.25,5.25\n")
    assert reproduce.compare(before, before) == (
        "4 of 4 figures are the same to the last digit.",
        True,
    )
    assert reproduce.compare(before, after) == (
        "2 of 4 figures are the same to the last digit; the others are at most so far apart: "
        "0.25 (psnr_y), 0.25 (niqe).",
        False,
    )
    after.write_text(f"{head}0,0,27,0.1,28.5,nan\n1,1,29,0.2,29.25,5.25\n")
    assert reproduce.compare(before, after) == (
        "row 2 is another one: image was 28 and is 29.",
        False,
    )
    after.write_text(f"{head}0,0,27,0.10,28.5,nan\n1,1,28,2e-1,29.5,5.5\n")
    assert reproduce.compare(before, after)[1]


def test_what_other_code_began_is_not_gone_on_with(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "PLACE", tmp_path)
    job = tmp_path / "optimiser" / "outputs" / "optimiser" / "0" / "1"
    job.mkdir(parents=True)
    (job / "manifest.json").write_text(json.dumps({"commit": "another", "status": "done"}))
    with pytest.raises(SystemExit, match=r"optimiser/0/1 is of other code \(commit another\)"):
        reproduce.reproduce("optimiser", [])


@pytest.mark.parametrize(
    ("given", "sets"),
    [
        ("schedule=quick", "schedule.restoration.steps"),
        ("schedule.realism.steps=9", "schedule.restoration.steps"),
        ("loss.lambda2=0.3", "loss.lambda2"),
    ],
)
def test_what_would_make_variants_unequal_is_refused(given, sets):
    own = Study(ROOT, {"plain": [], "other": ["+loss.lambda2=0", "schedule.restoration.steps=3"]})
    check_equal(own, ["loss=formula", "scale=2", "schedule.restoration.batch=2"])
    with pytest.raises(SystemExit, match=f"{given} cannot be given: the variant 'other' .*{sets}"):
        check_equal(own, [given])


def test_only_a_study_with_figures_can_be_reproduced():
    with pytest.raises(SystemExit, match="experiments/nowhere has no figures"):
        reproduce.reproduce("nowhere", [])


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of four images that are large enough for NIQE's blocks."""
    return write_photographs(tmp_path_factory.mktemp("photographs"), 240, 320)


@pytest.mark.slow
@pytest.mark.parametrize("name", STUDIES)
def test_each_study_runs(tmp_path, cache, photographs, monkeypatch, name):
    """With networks as they are, for a few steps, and without touching the study's own files."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    own = study(name)
    folder = tmp_path / name
    folder.mkdir()
    (folder / "README.md").write_text("<!-- table -->\n<!-- end -->\n")
    data = ["dataset=folder", f"dataset.root={photographs}", "dataset.holdout=1"]
    few = [f"schedule.{stage}.steps=2" for stage in ("realism", "restoration")]
    few += ["schedule.restoration.validations=1", "schedule.restoration.batch=2"]
    variants = {variant: [*given, *few] for variant, given in own.variants.items()}
    tiny, runs = Study(folder, variants, own.measures, own.more), tmp_path / "runs"
    for index, overrides in enumerate(variants.values()):
        given = [*QUICK, *data, f"cache={cache}", "dataset.fraction=1", *overrides]
        kept = [each for each in given if not each.startswith("schedule.restoration.steps=3560")]
        train(runs, runs / str(index), list(dict.fromkeys(_last_wins(kept))), [0])
    found = leaderboard([runs / str(i) for i in range(len(variants))], None, own.measures)
    assert found.complete
    publish(tiny, found, runs)
    page = (folder / "README.md").read_text()
    assert all(f"| {variant} | 1 | " in page for variant in variants)


def _last_wins(overrides):
    """Hydra refuses no key that is given twice, but a sweep's folder is told by its overrides."""
    found = {each.partition("=")[0]: each for each in overrides}
    return list(found.values())
