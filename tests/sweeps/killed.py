"""A command that is killed in its middle and goes on, beside the same one that was left alone."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]


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
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for place in places:
        place.mkdir()
    subprocess.run(given, cwd=places.undisturbed, check=True, env=environment)
    with subprocess.Popen(given, cwd=places.killed, env=environment) as process:
        while not (places.killed / begun).is_dir():
            assert process.poll() is None, f"It ended with code {process.returncode}."
            time.sleep(0.05)
        process.kill()
    subprocess.run([*given, resume], cwd=places.killed, check=True, env=environment)
    return places
