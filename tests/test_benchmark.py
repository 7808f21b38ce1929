"""benchmark.json: every figure beside its limit. What the figures are, no test can promise."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mtlsr.benchmark import check, run
from mtlsr.data.images import write_image
from mtlsr.networks.table import PARTNERS, REALISM, SINGLE_TASK
from mtlsr.runs import photographs
from mtlsr.runs.schema import STAGES, ConfigError
from mtlsr.runs.timing import Figure, record
from mtlsr.runs.timing.balancing import variants
from mtlsr.runs.timing.loader import FileSamples, _throughput
from mtlsr.runs.timing.networks import table

SHORT = [
    "repeats=1", "measured_steps=10", "loader.patch=16", "loader.batch=4",
    "networks.height=12", "networks.width=16", "networks.field=32",
    "inference.sizes=[[12,16]]",
    "edsr.batch=1", "edsr.patch=8",
]  # fmt: skip
NAMES = {
    "step": set(STAGES),
    "objective": set(STAGES),
    "inference": {"12x16/float32"},
    "startup": {"help", "completion", "first_step"},
    "loader": {"files", "copying", "waiting", "cores"},
}
PAIRS = {f"{realism} + {restoration}" for restoration, realism in PARTNERS.items()}


@pytest.fixture(scope="module")
def processes(small_photographs):
    """What makes the trainings that are started as processes short."""
    data = ["dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=1"]
    given = [*data, "schedule=quick", "logger=csv", "trainer.threads=1"]
    return f"overrides={given}"


@pytest.fixture(scope="module")
def measured(tmp_path_factory, composer, processes):
    """benchmark.json of all parts, and its folder."""
    short = ["part=all", *SHORT, processes]
    folder = run(composer(tmp_path_factory.mktemp("measured"), "benchmark", *short))
    return json.loads((folder / "benchmark.json").read_text()), folder


def test_benchmark_writes_each_figure_beside_its_limit(measured):
    written, folder = measured
    assert written["machine"]["cores"] >= 1
    names = {part: set(figures) for part, figures in written["parts"].items()}
    networks = names.pop("networks")
    names["inference"].discard("12x16/bfloat16")  # of machines that compute in it
    assert names == NAMES
    every = {*REALISM, *PAIRS, *SINGLE_TASK, "x4 (bundled)"}
    assert {name.rpartition("/")[0] for name in networks} == every
    for figures in written["parts"].values():
        for figure in figures.values():
            assert set(figure) == {"value", "unit", "limit", "ratio"}
            assert figure["limit"] > 0
    assert not (folder / "scratch").exists()
    line = json.loads((folder.parent / "history.jsonl").read_text().splitlines()[-1])
    assert line["parts"] == written["parts"]


def test_two_runs_are_compared_without_measuring(compose, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    record.write(tmp_path, None, {"step": {"restoration": Figure(24.0, "steps/s", 25.0, 0.96)}})
    both = f"base={tmp_path}", f"measured={tmp_path / 'benchmark.json'}"
    cfg = compose("benchmark", *both)
    check(cfg)
    run(cfg)
    shown = capsys.readouterr().out
    assert "restoration" in shown and "1.000" in shown and "0.960" in shown
    assert not Path(cfg.folder).exists()
    with pytest.raises(ConfigError, match="measured is given, so base must be"):
        check(compose("benchmark", both[1]))
    with pytest.raises(ConfigError, match=r"base is 'nowhere', which is no benchmark\.json"):
        check(compose("benchmark", "base=nowhere"))


def test_the_figures_of_the_networks_are_those_of_the_networks(measured):
    found = measured[0]["parts"]["networks"]
    assert found["srcnn/parameters"]["value"] == pytest.approx(57.281)
    assert found["span/parameters"]["value"] == pytest.approx(498.208)
    assert found["vdsr/multiply_adds"]["value"] == pytest.approx(0.664704 * 12 * 16 * 16 / 1000)
    assert found["vdsr/multiply_adds"]["ratio"] == 1
    assert found["srcnn/receptive_field"]["value"] == 9
    assert found["imdn/receptive_field"]["ratio"] == 1
    assert "residual/receptive_field" not in found
    # Its 64 maps of 32-bit floats at the larger size, and their ReLU, live at one time.
    maps = 4 * (12 * 4) * (16 * 4) * (64 + 64) / 1e6
    assert maps < found["srcnn/memory"]["value"] < 1.3 * maps
    assert all(figure["value"] > 0 for figure in found.values())
    assert len({found[f"{name}/achieved"]["limit"] for name in REALISM}) == 1


def test_the_table_of_the_networks_has_a_row_for_each():
    figures = {
        "near/parameters": Figure(57.281, "k", 1000.0, 0.057),
        "near/receptive_field": Figure(9, "px", 32, 9 / 32),
        "all + of it/parameters": Figure(1234.5, "k", 1234.5, 1.0),
        "all + of it/receptive_field": Figure(32, "px", 32, 1.0),
    }
    shown = table(figures)
    rows = zip(*(column.cells for column in shown.columns), strict=True)
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("near", "57.3 k", "9 px"),
        ("all + of it", "1,234 k", "whole image"),
    ]


def test_samples_from_files_are_the_samples_from_the_store(compose, tmp_path):
    """So the two loaders that are compared do the same."""
    cfg = compose("benchmark")
    files = photographs.dataset(cfg)
    samples = photographs.samples(cfg, "restoration", files)
    decoded = FileSamples(samples, files.train, tmp_path / "lr")
    for k in range(50):
        for ours, theirs in zip(vars(samples[k]).values(), vars(decoded[k]).values(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_files_that_are_left_out_are_in_neither_loader(compose, small_photographs, tmp_path):
    folder = tmp_path / "photographs"
    shutil.copytree(small_photographs, folder)
    for name in "bc":  # one of them at least is not held out
        write_image(folder / f"{name}.png", np.zeros((30, 30, 3), np.uint8))
    cfg = compose("benchmark", *SHORT, f"dataset.root={folder}", "dataset.unusable=skip")
    assert set(_throughput(cfg, tmp_path / "lr")) == {"files", "copying"}


@pytest.mark.skipif(not Path("/proc").exists(), reason="the system has no /proc")
def test_a_loader_process_reads_a_store_without_keeping_it(compose, processes):
    folder = run(compose("benchmark", "part=memory", "gigabytes=0.05", *SHORT, processes))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert figures["worker"]["limit"] >= 50
    assert figures["worker"]["value"] < 20
    assert figures["mapped"]["ratio"] > 0.5
    assert figures["training"]["value"] > figures["training"]["limit"] > 20
    assert not (folder / "scratch").exists()


def test_jobs_side_by_side_are_measured_beside_one_after_the_other(compose, processes):
    folder = run(compose("benchmark", "part=jobs", *SHORT, processes))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert figures["side_by_side"]["value"] > 0
    assert not (folder / "scratch").exists()


def test_an_evaluation_is_measured_beside_the_network(compose):
    folder = run(compose("benchmark", "part=evaluation", "scale=2", *SHORT))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert set(figures) == {"work", "cores", "waiting"}
    assert figures["work"]["value"] > 0
    assert figures["work"]["limit"] == figures["cores"]["limit"] > 0


def test_methods_of_balancing_are_measured_beside_the_plain_sum(compose):
    every = variants()
    assert {"fixed", "upgrad", "upgrad_cheap", "dwa"} <= set(every)
    few = ["fixed_diagnosed", "upgrad_cheap"]
    folder = run(compose("benchmark", "part=balancing", f"methods={few}", *SHORT))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert set(figures) == {"fixed", *few}
    assert figures["fixed"]["ratio"] == 1
    assert all(figure["value"] > 0 for figure in figures.values())
    assert len({figure["limit"] for figure in figures.values()}) == 1


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="the system has no /proc")
def test_growth_is_written_and_drawn(compose, processes):
    sizes = {
        "image": [8, 16], "patch": [8, 16], "batch": [1, 2], "photographs": [2, 8], "jobs": [1, 2],
        "processes": [1, 2],
    }  # fmt: skip
    given = [f"growth.{name}={values}" for name, values in sizes.items()]
    folder = run(compose("benchmark", "part=growth", *SHORT, *given, processes))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert set(figures) == {f"{name}/{what}" for name in sizes for what in ("seconds", "megabytes")}
    for name in ("image", "batch"):  # live tensors, but for the weights, are those of the pixels
        assert 0.5 < figures[f"{name}/megabytes"]["ratio"] < 1.1
    assert figures["photographs/megabytes"]["ratio"] == pytest.approx(1)
    assert len((folder / "growth.csv").read_text().splitlines()) == 1 + 2 * len(sizes)
    assert (folder / "growth.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("precision", {"edsr_baseline", "restoration"}),
        ("files", {"edsr_baseline"}),
        ("adversarial", {"step"}),
    ],
)
def test_trainings_are_measured_beside_each_other(compose, part, names):
    folder = run(compose("benchmark", f"part={part}", *SHORT))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert set(figures) == names
    assert all(figure["value"] > 0 < figure["limit"] for figure in figures.values())


def test_what_cannot_be_measured_is_refused(compose, monkeypatch):
    monkeypatch.setattr("mtlsr.objective.balancing.table.find_spec", lambda package: None)
    with pytest.raises(ValueError, match="balancing=uncertainty needs the package torchjd: pip"):
        check(compose("benchmark", "part=balancing"))
    with pytest.raises(ConfigError, match="methods holds 'best'; they are fixed, fixed_diagnosed"):
        check(compose("benchmark", "part=balancing", "methods=[best]"))
    with pytest.raises(ConfigError, match="choices holds 'fast'; they are compiled, onnx"):
        check(compose("benchmark", "inference.choices=[fast]"))
    with pytest.raises(ConfigError, match=r"sizes holds \[4\]; each is \[height, width\]"):
        check(compose("benchmark", "inference.sizes=[[4]]"))
    with pytest.raises(ConfigError, match="part is 'everything'; it is one of step, objective"):
        check(compose("benchmark", "part=everything"))
    refused = r"gigabytes is 1000000\.0; twice that must be free|needs a system"
    with pytest.raises(ConfigError, match=refused):
        check(compose("benchmark", "part=memory", "gigabytes=1e6"))
