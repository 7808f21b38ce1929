"""metrics.csv grows by rows and columns, and W&B runs end with their run."""

import csv

import numpy as np
import pytest
import wandb

from mtlsr.data.images import read_image
from mtlsr.runs.tracking import MetricsCsv, log_panels, tracked


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_new_values_become_new_columns(tmp_path):
    logger = MetricsCsv(tmp_path / "metrics.csv")
    logger.log_metrics({"a": 1.0, "epoch": 0}, 0)
    logger.log_metrics({"b": 2.0}, 1)
    logger.log_metrics({"a": 3.0, "b": 4.0}, 2)
    assert rows(logger.path) == [
        {"step": "0", "a": "1.0", "b": ""},
        {"step": "1", "a": "", "b": "2.0"},
        {"step": "2", "a": "3.0", "b": "4.0"},
    ]


def test_a_resumed_run_appends(tmp_path):
    MetricsCsv(tmp_path / "metrics.csv").log_metrics({"a": 1.0}, 0)
    MetricsCsv(tmp_path / "metrics.csv").log_metrics({"a": 2.0, "b": 1.0}, 1)
    assert [row["a"] for row in rows(tmp_path / "metrics.csv")] == ["1.0", "2.0"]


def test_each_run_has_a_wandb_run_of_its_own_with_the_plain_configuration(compose, tmp_path):
    seen = []
    for folder in ("one", "two"):
        cfg = compose("train", "logger=wandb", "logger.wandb.offline=true", folder=folder)
        with tracked(cfg, tmp_path / folder) as loggers:
            run = loggers[1].experiment
            assert run.config["loss"]["lambda2"] == 0.1
            seen.append(run.id)
            assert run.settings.mode in ("offline", "dryrun")
        assert wandb.run is None
    assert len(set(seen)) == 2


def test_a_run_that_goes_on_keeps_its_wandb_run(compose, tmp_path):
    cfg, seen = compose("train", "logger=wandb"), []
    for _ in range(2):
        with tracked(cfg, tmp_path / "run") as loggers:
            seen.append(loggers[1].experiment.id)
    assert seen[0] == seen[1]
    # offline-run-<time>-<id>, and a number more where two began in one second.
    runs = {path.name.split("-")[3] for path in tmp_path.glob("run/wandb/offline-run-*")}
    assert runs == {seen[0]}


def test_an_exception_ends_the_wandb_run_too(compose, tmp_path):
    cfg = compose("train", "logger=wandb")
    with (
        pytest.raises(RuntimeError, match="broken"),
        tracked(cfg, tmp_path / "run") as loggers,
    ):
        assert loggers[1].experiment is not None
        raise RuntimeError("broken")
    assert wandb.run is None


def test_pictures_lie_in_the_runs_folder_and_nowhere_else(compose, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    rng, names = np.random.default_rng(0), ("LR", "bicubic", "ours", "HR")
    rows = [
        (name, {each: rng.integers(0, 256, (20, 30, 3), dtype=np.uint8) for each in names})
        for name in ("a", "b.c d")
    ]
    with tracked(compose("train", "logger=wandb"), tmp_path / "run") as loggers:
        log_panels(loggers, rows)
        run = loggers[1].experiment
        logged = {name: dict(run.summary[f"pictures/{name}"]) for name, _ in rows}
        files = tmp_path / "run" / "wandb" / "latest-run" / "files"
        assert files.samefile(run.dir)
    for name, versions in rows:
        assert logged[name]["captions"] == list(names)
        for file, version in zip(logged[name]["filenames"], versions.values(), strict=True):
            np.testing.assert_array_equal(read_image(files / file), version)
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]


def test_tensorboard_is_one_word_away(compose, tmp_path):
    cfg = compose("train", "logger=tensorboard")
    with tracked(cfg, tmp_path / "run") as loggers:
        loggers[1].log_metrics({"a": 1.0}, 0)
    assert list((tmp_path / "run" / "tensorboard").glob("events*"))
