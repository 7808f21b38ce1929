"""benchmark.json: every figure beside its limit. What the figures are, no test can promise."""

import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from mtlsr.benchmark import check, run
from mtlsr.data.images import write_image
from mtlsr.runs import photographs
from mtlsr.runs.schema import STAGES, ConfigError
from mtlsr.runs.timing.balancing import variants
from mtlsr.runs.timing.loader import FileSamples, _throughput

SHORT = ["repeats=1", "measured_steps=10", "loader.patch=16", "loader.batch=4"]
NAMES = {
    "step": set(STAGES),
    "objective": set(STAGES),
    "loader": {"files", "copying", "waiting", "cores"},
}


def test_benchmark_writes_each_figure_beside_its_limit(compose):
    folder = run(compose("benchmark", "part=all", *SHORT))
    written = json.loads((folder / "benchmark.json").read_text())
    assert written["machine"]["cores"] >= 1
    assert {part: set(figures) for part, figures in written["parts"].items()} == NAMES
    for figures in written["parts"].values():
        for figure in figures.values():
            assert set(figure) == {"value", "unit", "limit", "ratio"}
            assert figure["limit"] > 0
    assert not (folder / "scratch").exists()


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
def test_a_loader_process_reads_a_store_without_keeping_it(compose):
    folder = run(compose("benchmark", "part=memory", "gigabytes=0.05", *SHORT))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert figures["worker"]["limit"] >= 50
    assert figures["worker"]["value"] < 20
    assert figures["mapped"]["ratio"] > 0.5
    assert not (folder / "scratch").exists()


def test_methods_of_balancing_are_measured_beside_the_plain_sum(compose, monkeypatch):
    every = variants()
    assert {"fixed", "upgrad", "upgrad_cheap", "dwa"} <= set(every)
    few = {name: every[name] for name in ("fixed", "fixed_diagnosed", "upgrad_cheap")}
    monkeypatch.setattr(import_module("mtlsr.runs.timing.balancing"), "variants", lambda: few)
    folder = run(compose("benchmark", "part=balancing", *SHORT))
    (figures,) = json.loads((folder / "benchmark.json").read_text())["parts"].values()
    assert set(figures) == set(few)
    assert figures["fixed"]["ratio"] == 1
    assert all(figure["value"] > 0 for figure in figures.values())
    assert len({figure["limit"] for figure in figures.values()}) == 1


def test_what_cannot_be_measured_is_refused(compose, monkeypatch):
    monkeypatch.setattr("mtlsr.objective.balancing.table.find_spec", lambda package: None)
    with pytest.raises(ValueError, match="balancing=uncertainty needs the package torchjd: pip"):
        check(compose("benchmark", "part=balancing"))
    with pytest.raises(ConfigError, match="part is 'everything'; it is one of step, objective"):
        check(compose("benchmark", "part=everything"))
    refused = r"gigabytes is 1000000\.0; twice that must be free|needs a system"
    with pytest.raises(ConfigError, match=refused):
        check(compose("benchmark", "part=memory", "gigabytes=1e6"))
