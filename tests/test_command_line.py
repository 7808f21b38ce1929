"""`python -m mtlsr.train` as people call it: what it refuses, sweeps, several processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load_file

from mtlsr.runs.command import _home, _plain, execute, quoted
from mtlsr.runs.processes import job_alone
from mtlsr.train import check, run
from tests.conftest import QUICK, unprivileged


def arguments(cache: Path, photographs: Path, *overrides: str) -> list[str]:
    data = ["dataset=folder", f"dataset.root={photographs}", "dataset.holdout=1"]
    return [*QUICK, *data, f"cache={cache}", "logger=csv", *overrides]


@pytest.fixture
def call(monkeypatch, capfd, tmp_path, cache, small_photographs):
    """Call the command in this process and return its exit code and what it said on stderr."""

    def call(*overrides: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        flags = [override for override in overrides if override.startswith("-")]
        values = [override for override in overrides if not override.startswith("-")]
        given = arguments(cache, small_photographs, *values)
        monkeypatch.setattr(sys, "argv", ["mtlsr.train", *flags, *given])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        try:
            execute("train", run, check)
        except SystemExit as end:
            return int(end.code or 0), capfd.readouterr().err
        return 0, capfd.readouterr().err

    return call


def broken_folder(tmp_path: Path, kind: str) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    if kind == "empty":
        return folder
    for index in range(3):
        Image.effect_noise((128, 128), 50).convert("RGB").save(folder / f"good{index}.png")
    bad = folder / "bad.png"
    if kind == "small":
        Image.new("RGB", (40, 40)).save(bad)
    elif kind == "truncated":
        whole = (folder / "good0.png").read_bytes()
        bad.write_bytes(whole[: len(whole) // 2])
    elif kind == "text":
        bad.write_text("This is not an image.")
    return folder


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["loss.lambda5=1"], "loss.lambda5"),
        (["lambda2=0.1"], "lambda2"),
        (["loss.lambda2=-1"], "loss.lambda2 is -1.0; it must be finite and at least 0"),
        (["loss.lambda2=nan"], "loss.lambda2 is nan"),
        (["loss.lambda2=much"], "loss.lambda2"),
        (["dataset=nowhere"], "dataset/nowhere"),
        (["backbone/realism=huge"], "backbone/realism/huge"),
        (["backbone.restoration.name=huge"], "huge"),
        (["scale=7"], "scale is 7; the networks enlarge by 2, 3 or 4"),
        (["stage1=nowhere", "stages=[restoration]"], "stage1 is 'nowhere'"),
        (["dataset.root="], "dataset.root is empty; give it a value, or leave it out."),
        (["resume="], "resume is empty"),
        (["trainer.devices=0"], "trainer.devices is 0; it must be finite and at least 1"),
        (["-m", "loss.lambda2=0.1,-1"], "loss.lambda2 is -1.0"),
    ],
)
def test_bad_values_are_one_line_and_exit_code_one(call, tmp_path, overrides, said):
    code, error = call(*overrides)
    assert code == 1
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()
    assert not (tmp_path / "multirun").exists()


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("empty", "holds no image"),
        ("small", "bad.png: it has 40x40 pixels, and at least 64x64 are needed"),
        ("truncated", "bad.png"),
        ("text", "bad.png"),
    ],
)
def test_bad_photographs_are_one_line_and_exit_code_one(call, tmp_path, kind, said):
    folder = broken_folder(tmp_path, kind)
    code, error = call(f"dataset.root={folder}", "dataset.holdout=0")
    assert code == 1
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_a_run_in_a_folder_that_cannot_be_written_does_not_go_on(command, call, tmp_path):
    assert call("hydra.run.dir=run", "stages=[realism]")[0] == 0
    files = [tmp_path / "run", *(tmp_path / "run").rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in files}
    for path in files:
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = command("train", tmp_path, f"resume={tmp_path / 'run'}", prefix=unprivileged())
    assert done.returncode == 1
    assert "cannot be written (Permission denied); the run goes on in it" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == {
        path: before[path] for path in files[1:]
    }


def test_a_folder_that_cannot_be_written_is_refused(command, tmp_path, cache, small_photographs):
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    done = command("train", locked, *arguments(cache, small_photographs), prefix=unprivileged())
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(locked.iterdir()) == []


def test_a_damaged_photograph_that_is_held_out_stops_a_run_before_it_starts(call, tmp_path):
    folder = broken_folder(tmp_path, "truncated")
    held = tmp_path / "held"
    held.mkdir()
    (folder / "bad.png").rename(held / "bad.png")
    given = [f"dataset.root={folder}", f"dataset.val_root={held}", "dataset.holdout=0"]
    code, error = call(*given, "experiment=single_task", "backbone/single_task=srcnn")
    assert code == 1
    assert "1 of 1 images cannot be used: " in error and "bad.png" in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "outputs").exists()


def test_an_error_in_the_middle_is_exit_code_one_and_a_failed_manifest(call, tmp_path, monkeypatch):
    from mtlsr.stages.restoration import RestorationStage

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the sky fell")

    monkeypatch.setattr(RestorationStage, "evaluate_terms", broken)
    code, error = call("hydra.run.dir=run")
    assert code == 1
    assert "the sky fell" in error
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "the sky fell" in manifest["error"]


def test_a_sweep_has_a_folder_and_a_wandb_run_for_each_job(call, tmp_path):
    code, _ = call("-m", "loss.lambda2=0.1,0.5", "logger=wandb", "hydra.sweep.dir=sweep")
    assert code == 0
    manifests = [
        json.loads((tmp_path / "sweep" / job / "manifest.json").read_text()) for job in "01"
    ]
    assert [m["config"]["loss"]["lambda2"] for m in manifests] == [0.1, 0.5]
    assert manifests[0]["data"] == manifests[1]["data"]
    runs = {path.name for path in (tmp_path / "sweep").glob("*/wandb/offline-run-*")}
    assert len(runs) == 2


def test_the_command_line_of_a_jobs_processes_is_that_of_a_run(monkeypatch, tmp_path):
    hydra = {
        "mode": RunMode.MULTIRUN,
        "run": {"dir": "."},
        "runtime": {"output_dir": str(tmp_path)},
    }
    given = ["loss.lambda2=0.5", "sweep.resume='sweep'"]
    settings = OmegaConf.create(hydra | {"overrides": {"task": given}})
    monkeypatch.setattr(HydraConfig, "get", lambda: settings)
    before = ["mtlsr.train", "-m", "loss.lambda2=0.1,0.5", "sweep.resume='sweep'"]
    monkeypatch.setattr(sys, "argv", list(before))
    with job_alone():
        assert sys.argv == ["mtlsr.train", "loss.lambda2=0.5", "hydra.mode=RUN"]
        assert settings.run.dir == str(tmp_path)
    assert sys.argv == before


def test_the_flag_of_a_sweep_may_stand_last(command, tmp_path, cache, small_photographs):
    given = ["stages=[realism]", "seed=0,1", "hydra.sweep.dir=sweep"]
    done = command("train", tmp_path, *arguments(cache, small_photographs, *given), "-m")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list((tmp_path / "sweep").glob("*/manifest.json"))) == 2


def test_help_that_nobody_reads_to_its_end_says_nothing_more():
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "mtlsr.train", "--help"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


def test_resume_auto_begins_in_the_folder_of_the_run_and_goes_on_there(call, tmp_path):
    for _ in range(2):
        assert call("stages=[realism]", "hydra.run.dir=run", "resume=auto") == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["resumed"] == ["done"]


def test_a_profiled_run_begins_before_its_folder_is_known(call, tmp_path):
    assert call("trainer.profile=true", "stages=[realism]", *QUICK)[0] == 0
    assert list(tmp_path.glob("outputs/train/*/profile/*.trace.json"))


def test_a_resumed_run_stays_in_its_folder(call, tmp_path):
    assert call("hydra.run.dir=run")[0] == 0
    composed = (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text()
    model = (tmp_path / "run" / "model" / "model.safetensors").read_bytes()
    assert call("resume=run")[0] == 0
    assert (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text() == composed
    assert (tmp_path / "run" / "model" / "model.safetensors").read_bytes() == model
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_two_processes_train_what_one_trains_with_twice_the_batch(
    command, tmp_path, cache, small_photographs, compose
):
    precise = "trainer.precision=32-true"
    given = arguments(cache, small_photographs, "trainer=ddp_cpu", precise)
    done = command("train", tmp_path, *given, f"hydra.run.dir={tmp_path}/pair")
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads((tmp_path / "pair" / "manifest.json").read_text())["status"] == "done"
    assert (tmp_path / "pair" / "results.json").is_file()
    assert len(list(tmp_path.iterdir())) == 1

    twice = ["schedule.realism.batch=4", "schedule.restoration.batch=4", precise]
    alone = run(compose("train", *twice, folder="alone"))
    expected, found = (
        load_file(folder / "model" / "model.safetensors") for folder in (alone, tmp_path / "pair")
    )
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("scale=2", "scale=2"),
        ("input=photo(1).jpg", "input='photo(1).jpg'"),
        ("input=a=b.jpg", "input='a=b.jpg'"),
        ("input=été 2.jpg", "input='été 2.jpg'"),
        ("input='given'", "input='given'"),
        ("hydra.sweep.dir=a b/${now:%H}", "hydra.sweep.dir='a b/${now:%H}'"),
        ("sweep=[a,b]", "sweep=[a,b]"),
        ("sweep=~/a,~/b", "sweep='/home/me/a,/home/me/b'"),
        ("ab=~/a,b", "ab='/home/me/a,b'"),
    ],
)
def test_paths_are_quoted(argument, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert quoted(argument, [argument]) == expected


def test_a_replay_stays_in_its_folder_whatever_that_is_called(tmp_path):
    given = quoted(f"replay={tmp_path}/it's/a\\/step.pt", [])
    place, _ = _home("train", [given])
    assert _plain(place) == f"{tmp_path}/it's/a\\"
