"""SIGTERM, SIGUSR1 and SIGUSR2: the step ends, the checkpoint is written, SLURM asks again."""

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from mtlsr.runs import slurm
from mtlsr.runs.checkpoints import read
from mtlsr.runs.interruption import SIGNALS, listening
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.stopping import Interrupted
from mtlsr.train import run


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A machine with a `scontrol` that notes what it was called with."""
    calls = tmp_path / "calls"
    script = tmp_path / "bin" / "scontrol"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    for name in ("SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    return calls


@contextmanager
def asked_at(step: int, *numbers: int):
    original = StageProgress.on_train_batch_end

    def hook(self, trainer, module, *rest):
        original(self, trainer, module, *rest)
        if trainer.global_step == step:
            for number in numbers:
                signal.raise_signal(number)

    with patch.object(StageProgress, "on_train_batch_end", hook):
        yield


def test_each_signal_ends_the_run_with_a_checkpoint_and_its_exit_code(compose):
    before = [signal.getsignal(number) for number in SIGNALS]
    cfg = compose("train")
    for step, numbers in enumerate(
        ([signal.SIGTERM] * 3, [signal.SIGUSR1, signal.SIGTERM], [signal.SIGUSR2]), start=1
    ):
        with asked_at(step, *numbers), pytest.raises(Interrupted, match="Stopped after") as stop:
            run(cfg)
        assert stop.value.code == 128 + numbers[0]
        last = read(Path(cfg.folder, "checkpoints", "realism", "last.ckpt"))
        assert last["global_step"] == step
        cfg = compose("train", f"resume={cfg.folder}")
    assert [signal.getsignal(number) for number in SIGNALS] == before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_slurm_is_asked_to_run_the_job_again_if_that_is_wanted(compose, cluster, capfd, number):
    with asked_at(1, number), pytest.raises(Interrupted):
        run(compose("train", "trainer.requeue=true"))
    if number == signal.SIGINT:  # that was the user
        assert not cluster.exists()
    else:
        assert cluster.read_text() == "requeue 4711\n"
        assert "SLURM job 4711 is back in the queue." in capfd.readouterr().out


def test_slurm_is_left_alone_otherwise(compose, cluster):
    with asked_at(1, signal.SIGUSR1), pytest.raises(Interrupted):
        run(compose("train"))
    assert not cluster.exists()


def test_the_task_of_an_array_comes_back_itself(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "9")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    slurm.requeue()
    assert cluster.read_text() == "requeue 9_3\n"


def test_a_missing_or_refusing_scontrol_is_said(cluster, monkeypatch, capfd):
    script = cluster.parent / "bin" / "scontrol"
    script.write_text("#!/bin/sh\necho 'Invalid job id' >&2\nexit 1\n")
    slurm.requeue()
    monkeypatch.setenv("PATH", "")
    slurm.requeue()
    first, second = capfd.readouterr().out.splitlines()
    assert first == "SLURM job 4711 could not be put back into the queue: Invalid job id"
    assert "No such file" in second


def test_resume_auto_begins_and_then_goes_on(compose):
    given = ["resume=auto", "stages=[realism]"]
    with asked_at(2, signal.SIGUSR1), pytest.raises(Interrupted):
        run(compose("train", *given))
    folder = run(compose("train", *given))
    assert '"resumed": [\n    "interrupted"' in (folder / "manifest.json").read_text()
    assert read(folder / "checkpoints" / "realism" / "last.ckpt")["global_step"] == 4


def test_outside_of_a_step_a_signal_ends_the_run_at_once():
    with pytest.raises(Interrupted, match="Go on") as stop, listening("Go on."):
        signal.raise_signal(signal.SIGTERM)
    assert stop.value.code == 143


def test_a_second_ctrl_c_does_not_wait_for_the_step():
    with pytest.raises(Interrupted), listening("Go on.") as signals:
        signals.stepping = True
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)  # only repeats
        signal.raise_signal(signal.SIGINT)
