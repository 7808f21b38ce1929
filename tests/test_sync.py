"""`make sync`: which offline W&B runs it sends, and in which order; the sender is a stand-in."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


@pytest.fixture
def sync(tmp_path):
    """Call `make sync` with these variables; return its exit code, what was sent, what was said."""
    sent, venv = tmp_path / "sent", tmp_path / "venv"
    wandb = venv / "bin" / "wandb"
    wandb.parent.mkdir(parents=True)
    wandb.write_text(f'#!/bin/sh\necho "$2" >> "{sent}"\ntest ! -e "$2/damaged"\n')
    wandb.chmod(0o755)
    (venv / ".ready").touch()  # newer than pyproject.toml: nothing is installed

    def call(**variables: str) -> tuple[int, list[str], str]:
        given = [f"{name}={value}" for name, value in {**variables, "VENV": venv}.items()]
        command = ["make", "--silent", "-C", ROOT, "sync", *given]
        ended = subprocess.run(command, capture_output=True, text=True)
        lines = sent.read_text().splitlines() if sent.is_file() else []
        return ended.returncode, lines, ended.stderr

    return call


def offline(sweep: Path, job: str, name: str) -> Path:
    folder = sweep / job / "wandb" / f"offline-run-{name}"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("name", ["sweep", "a sweep"])
def test_the_runs_of_a_sweep_are_sent_the_oldest_first(sync, tmp_path, name):
    sweep = tmp_path / name
    second = offline(sweep, "1", "20260102_000000-b")
    first = offline(sweep, "2", "20260101_000000-a")
    resumed = offline(sweep, "2", "20260103_000000-a")
    offline(tmp_path / "another", "0", "20260101_000000-z")
    assert sync(SWEEP=str(sweep)) == (0, [str(first), str(second), str(resumed)], "")


def test_the_first_run_that_cannot_be_sent_ends_it(sync, tmp_path):
    first = offline(tmp_path / "sweep", "0", "20260101_000000-a")
    (first / "damaged").touch()
    offline(tmp_path / "sweep", "1", "20260102_000000-b")
    code, sent, _ = sync(SWEEP=str(tmp_path / "sweep"))
    assert (code != 0, sent) == (True, [str(first)])


def test_a_folder_that_is_none_and_one_without_runs_are_told(sync, tmp_path):
    code, sent, said = sync(SWEEP=str(tmp_path / "nowhere"))
    assert (code != 0, sent) == (True, [])
    assert f"SWEEP is '{tmp_path}/nowhere', which is no folder." in said
    (tmp_path / "empty").mkdir()
    code, sent, said = sync(SWEEP=str(tmp_path / "empty"))
    assert (code, sent, said) == (0, [], "No offline run of W&B is there.\n")
