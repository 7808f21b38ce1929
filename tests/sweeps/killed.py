"""Commands that are stopped or killed in their middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def stopped_side_by_side(
    base: Path, command: list[str], runs: list[Path], number: signal.Signals
) -> tuple[int, str]:
    """Ask a command to stop while all of its runs train; each then ends with its work saved.

    Args:
        base: Where it runs.
        command: What follows `python -m`.
        runs: Folders of the runs that it has at work at a time.
        number: SIGINT reaches its processes, too, as Ctrl-C does; others reach it alone.

    Returns:
        Its exit code, and what it said to both outputs.
    """
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=base,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        for log in (run / "metrics.csv" for run in runs):
            while not log.exists() or "restoration/loss" not in log.read_text():
                assert process.poll() is None
                time.sleep(0.05)
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        said = "".join(process.communicate(timeout=120))
    for run in runs:
        assert json.loads((run / "manifest.json").read_text())["status"] == "interrupted"
        assert (run / "checkpoints" / "restoration" / "last.ckpt").is_file()
    return process.returncode, said


class Places(NamedTuple):
    """Where the command ran."""

    undisturbed: Path
    killed: Path


def run_undisturbed_and_killed(base: Path, command: list[str], begun: str, resume: str) -> Places:
    """Run a command twice, each in a folder of its own.

    Args:
        base: Takes the two folders.
        command: What follows `python -m`.
        begun: The second one gets SIGKILL as soon as this folder is there.
        resume: What is added to the command then, to end it.
    """
    places = Places(base / "undisturbed", base / "killed")
    given = [sys.executable, "-m", *command]
    for place in places:
        place.mkdir()
    subprocess.run(given, cwd=places.undisturbed, check=True, env=ENVIRONMENT)
    with subprocess.Popen(given, cwd=places.killed, env=ENVIRONMENT) as process:
        while not (places.killed / begun).is_dir():
            assert process.poll() is None, f"It ended with code {process.returncode}."
            time.sleep(0.05)
        process.kill()
    subprocess.run([*given, resume], cwd=places.killed, check=True, env=ENVIRONMENT)
    return places
