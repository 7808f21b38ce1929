"""`python -m mtlsr.report`, and what a real sweep ends with."""

import signal
import sys
from pathlib import Path

import pytest

from mtlsr.runs.command import Interrupted, execute
from mtlsr.train import check, ended, run
from tests.conftest import QUICK
from tests.sweeps.made import write_job

FIGURES = {"set": {"bicubic": [27.0, 28.0], "mtlsr": [28.0, 29.5]}}


def arguments(cache: Path, photographs: Path) -> list[str]:
    data = ["dataset=folder", f"dataset.root={photographs}", "dataset.holdout=1"]
    return [*QUICK, *data, f"cache={cache}", "logger=csv", "hydra.sweep.dir=sweep"]


@pytest.fixture
def train(monkeypatch, capfd, tmp_path, cache, small_photographs):
    """Call `mtlsr.train` here; return its exit code, and what it said to both outputs."""

    def call(*overrides: str, work=run) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        given = [*overrides, *arguments(cache, small_photographs)]
        monkeypatch.setattr(sys, "argv", ["mtlsr.train", "-m", *given])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        code = 0
        try:
            execute("train", work, check, ended)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return call


def test_a_sweep_ends_with_its_leaderboard(train, tmp_path):
    code, said, _ = train("loss.lambda2=0.1,0.5")
    assert code == 0
    assert "folder-val, PSNR-Y: loss.lambda2=0." in said
    assert (tmp_path / "sweep" / "sweep.csv").is_file()
    assert not list(tmp_path.rglob("error.txt"))


def test_a_failed_job_is_named_the_others_go_on_and_the_exit_code_is_one(train, tmp_path):
    def sometimes(cfg):
        if cfg.loss.lambda2 == 0.1:
            raise RuntimeError("CUDA out of memory")
        return run(cfg)

    code, said, error = train("loss.lambda2=0.1,0.5", work=sometimes)
    assert code == 1
    assert "Job 0 failed: RuntimeError: CUDA out of memory" in said
    assert "loss.lambda2=0.5 alone has figures" in said
    assert "Traceback" in error
    assert (tmp_path / "sweep" / "0" / "error.txt").read_text().endswith("out of memory\n")
    assert (tmp_path / "sweep" / "1" / "results.json").is_file()


def test_ctrl_c_ends_the_sweep_and_not_only_the_job(train, tmp_path):
    def stopped(cfg):
        raise Interrupted("Stopped after step 3.")

    code, said, error = train("loss.lambda2=0.1,0.5,0.7", work=stopped)
    assert code == 128 + signal.SIGINT
    assert "Unfinished: job 0." in said
    assert "Not started: jobs 1, 2." in said
    assert error.strip() == "Stopped after step 3."
    assert not (tmp_path / "sweep" / "1").exists()


def test_a_value_that_cannot_be_used_refuses_the_sweep_before_its_first_job(train, tmp_path):
    code, said, error = train("loss.lambda2=0.1,-1")
    assert (code, said) == (1, "")
    assert error.startswith("mtlsr: loss.lambda2 is -1.0")
    assert not (tmp_path / "sweep").exists()


def test_the_report_can_be_made_again(command, tmp_path):
    for number in range(2):
        write_job(tmp_path / "a b", number, [f"x={number}"], FIGURES)
        write_job(tmp_path / "c", number, [f"x={number + 2}"], FIGURES)
    done = command("report", tmp_path, "sweep=a b,c", "baseline=x=3", "output=out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "set, PSNR-Y: x=0 is highest, 28.75 dB; not distinguishable" in done.stdout
    assert "the baseline x=3" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"a b", "c", "out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sweep.csv", "report.html"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["sweep=nowhere"], "sweep is 'nowhere', which is no folder."),
        (["sweep=one", "baseline=x=7"], "baseline is 'x=7', which means 0 of these: all."),
        (["sweep=one", "metrics=[much]"], "metrics is ['much']; it holds any of psnr_y"),
        ([], "sweep"),
    ],
)
def test_the_report_refuses_in_one_line(command, tmp_path, given, said):
    write_job(tmp_path / "one", 0, ["x=1"], FIGURES)
    done = command("report", tmp_path, *given)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"one"}
