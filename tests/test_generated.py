"""Configurations at random, good and bad: each trains two steps or is refused with one line."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mtlsr.runs.command import execute
from mtlsr.train import check, job
from tests.conftest import QUICK

SHORT = [
    f"schedule.{stage}.{key}"
    for stage in ("realism", "restoration")
    for key in ("steps=2", "batch=2", "patch=16", "validations=1")
]
VALUES = {
    "scale": ["2", "3", "4", "1", "5", "two", "null"],
    "seed": ["0", "3", "-1", "4294967295", "4294967296", "1.5"],
    "stages": ["[realism]", "[restoration]", "[realism,restoration]", "[]", "[polish]", "realism"],
    "stage1": ["/nowhere", "null"],
    "init": ["/nowhere", "null", "/dev/null"],
    "resume": ["/nowhere", "auto", "null"],
    "freeze_realism": ["true", "false", "maybe"],
    "loss.lambda1": ["0", "1", "1e30", "nan", "inf", "-1"],
    "loss.lambda2": ["0", "0.1", "-0.1", "nan", "1e-30"],
    "loss.lambda3": ["0", "0.5", "[1]"],
    "loss.lambda4": ["0", "0.5", "text"],
    "loss.smoothness.distance": ["l1", "mse", "charbonnier", "l7"],
    "loss.realism.statistic": ["gram", "mood", "null"],
    "loss.realism.average": ["0", "0.9", "1", "-1"],
    "loss.structure.transform": ["corners", "identity", "curl"],
    "loss": ["formula", "single_task", "adversarial", "nothing"],
    "experiment": ["joint", "frozen", "single_task", "nothing"],
    "backbone/realism": ["seed", "attention", "huge"],
    "backbone/restoration": ["seed", "unet_large", "huge"],
    "backbone.realism.widths": ["[8,8]", "[]", "[0,8]", "[-1]", "8"],
    "backbone.restoration.units": ["[1,1]", "[0,0]", "[1]", "many"],
    "degradation": ["bicubic", "classical", "realistic", "nothing"],
    "degradation/realism": ["classical", "realistic", "nothing"],
    "balancing": ["fixed", "random", "uncertainty", "dwa", "pcgrad", "mgda", "nothing"],
    "schedule.restoration.batch": ["1", "3", "0", "-2", "1.5"],
    "schedule.restoration.patch": ["8", "24", "7", "500"],
    "schedule.restoration.lr": ["1e-4", "0", "1e9", "nan"],
    "schedule.restoration.optimiser": ["adamw", "muon", "sgd"],
    "schedule.realism.steps": ["1", "3", "0"],
    "schedule.realism.validations": ["0", "2", "5", "-1"],
    "schedule.restoration.averaging": ["0", "0.5", "1", "2"],
    "schedule.restoration.betas": ["[0.9,0.99]", "[0.9]", "[2,2]", "[]"],
    "schedule.restoration.clip": ["0", "1", "-1"],
    "trainer.precision": ["32-true", "bf16-mixed", "auto", "7-bit", "16-mixed"],
    "trainer.strategy": ["auto", "fsdp", "deepspeed", "carrier-pigeon"],
    "trainer.accelerator": ["cpu", "auto", "abacus", "gpu"],
    "trainer.devices": ["1", "0", "some"],
    "trainer.workers": ["0", "1", "-1"],
    "trainer.log_every": ["1", "2", "0"],
    "trainer.channels_last": ["true", "false"],
    "trainer.sync_batchnorm": ["true", "false"],
    "trainer.guard.policy": ["stop", "skip", "rewind", "pray"],
    "trainer.guard.explosion": ["0", "10", "-1"],
    "trainer.checkpoint.steps": ["0", "1", "-1"],
    "trainer.checkpoint.minutes": ["0", "0.1", "-1", "nan"],
    "dataset.holdout": ["0", "1", "3", "4", "-1"],
    "dataset.root": ["/nowhere", "/dev/null", "null"],
    "dataset.name": ["folder", "nowhere"],
    "dataset.fraction": ["0.5", "0", "2"],
    "logger": ["csv", "nothing"],
    "replay": ["/nowhere", "/dev/null", "null"],
    "unknown": ["1"],
    "trainer.unknown": ["1"],
    "name": ["x", "a b", "../up", "é"],
}
"""Values of keys; about half of them are refused."""


def _override(key: str) -> st.SearchStrategy[str]:
    return st.sampled_from([f"{key}={value}" for value in VALUES[key]])


overrides = st.lists(st.sampled_from(sorted(VALUES)), max_size=4, unique=True).flatmap(
    lambda keys: st.tuples(*map(_override, keys))
)


def attempt(given: tuple[str, ...], monkeypatch, capfd, base: Path, data: list[str]) -> None:
    folder = base / "run"
    shutil.rmtree(folder, ignore_errors=True)
    monkeypatch.chdir(base)
    fixed = [*QUICK, *SHORT, "trainer=cpu", "trainer.progress=false", *data]
    keys = {override.split("=")[0] for override in given}
    fixed = [each for each in fixed if each.split("=")[0] not in keys]
    arguments = [*fixed, f"hydra.run.dir={folder}", *given]
    monkeypatch.setattr(sys, "argv", ["mtlsr.train", *arguments])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    capfd.readouterr()
    code = 0
    try:
        execute("train", job, check)
    except SystemExit as end:
        code = int(end.code or 0)
    error = capfd.readouterr().err
    assert "Traceback" not in error, (given, error)
    manifest = folder / "manifest.json"
    if code == 0:
        assert json.loads(manifest.read_text())["status"] == "done", given
        return
    lines = [line for line in error.splitlines() if line.startswith("mtlsr: ")]
    assert (code, len(lines)) == (1, 1), (given, error)
    if folder.exists() and any(folder.iterdir()):
        assert json.loads(manifest.read_text())["status"] == "failed", given


COMMON = {
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture
def data(cache, small_photographs):
    files = ["dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=1"]
    return [*files, "logger=csv", f"cache={cache}"]


@settings(max_examples=15, **COMMON)
@given(chosen=overrides)
def test_fifteen_configurations(chosen, monkeypatch, capfd, tmp_path, data):
    attempt(chosen, monkeypatch, capfd, tmp_path, data)


@pytest.mark.slow
@settings(max_examples=200, **COMMON)
@given(chosen=overrides)
def test_two_hundred_configurations(chosen, monkeypatch, capfd, tmp_path, data):
    attempt(chosen, monkeypatch, capfd, tmp_path, data)
