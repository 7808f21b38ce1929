"""Processes that are started to be measured: how long they take, and how much memory."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from mtlsr.runs.proc import parents
from mtlsr.runs.schema import ConfigError

POLL, MEMORY_POLL = 0.005, 0.05
"""Seconds between two looks at a process, and at its memory, which takes longer."""

LIBRARIES = (sys.executable, "-c", "import torch, pytorch_lightning, hydra, wandb")
"""A process that imports what every training needs, and does nothing else."""


class Spent(NamedTuple):
    """What a process and those that it started needed."""

    seconds: float
    """From its start to its end, or until what was waited for was there."""
    memory: int
    """Largest sum of their anonymous memory in bytes; 0 where it was not looked at."""


def training(cfg: DictConfig, folder: Path, *overrides: str) -> list[str]:
    """The command line of a training into `folder`, by `cfg.overrides` and then `overrides`."""
    given = [f"hydra.run.dir={folder}", "trainer.progress=false", *cfg.overrides]
    if cfg.cache is not None:
        given.append(f"cache={cfg.cache}")
    return [sys.executable, "-m", "mtlsr.train", *given, *overrides]


def spend(
    command: Sequence[str],
    until: Callable[[], bool] | None = None,
    environment: Mapping[str, str] | None = None,
    memory: bool = False,
) -> Spent:
    """Run a command and say what it needed.

    Args:
        command: Program and arguments. What it prints is thrown away, unless it fails.
        until: What is waited for; then the command is stopped. None waits for its end.
        environment: Variables beside those of this process.
        memory: Whether its memory is looked at (Linux alone).

    Raises:
        RuntimeError: It failed, or ended before what was waited for.
    """
    start, most = time.perf_counter(), 0
    with started(command, environment) as process:
        try:
            while process.poll() is None and not (until is not None and until()):
                if memory:
                    most = max(most, anonymous(process.pid))
                time.sleep(MEMORY_POLL if memory else POLL)
            seconds = time.perf_counter() - start
        finally:
            _stop(process)
        if process.returncode if until is None else not until():
            said = process.stderr.read().strip() if process.stderr else ""
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {said}")
    return Spent(seconds, most)


def started(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start a command in a process group of its own."""
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(environment or {})},
    )


def anonymous(pid: int) -> int:
    """Bytes of anonymous memory of a process and all that it started, now; 0 where it has ended.

    Pages of mapped files, libraries and stores of photographs among them, are left out: the system
    takes them back when it needs memory.
    """
    started = parents()
    tree = {pid}
    while more := {own for own, parent in started.items() if parent in tree} - tree:
        tree |= more
    return sum(resident(own).get("RssAnon", 0) for own in tree)


def resident(pid: int) -> dict[str, int]:
    """Bytes of a process's memory by kind (RssAnon, RssFile, RssShmem); none where it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    fields = dict(line.split(":", 1) for line in lines if line.startswith("Rss"))
    return {name: int(value.split()[0]) * 1024 for name, value in fields.items()}


def check_proc(part: str) -> None:
    """Refuse a part that reads /proc where there is none.

    Raises:
        ConfigError: There is none.
    """
    if not Path("/proc/self/status").exists():
        raise ConfigError(f"part={part} needs a system that has /proc, which Linux has.")


def _stop(process: subprocess.Popen[str]) -> None:
    """End a process and those of its group, if it has not ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
