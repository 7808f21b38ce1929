"""With one of the processes that train together all end, and say why."""

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from mtlsr.errors import UserError
from mtlsr.runs.processes import children, started_elsewhere


class ProcessDied(UserError):
    """Another process of this training is gone."""


def dead_child(wait: float) -> str | None:
    """Which process that this one started has failed, in words; None where none has."""
    late = time.monotonic() + wait
    while children:
        for rank, child in enumerate(children, start=1):
            if code := child.poll():
                return f"process {rank} (PID {child.pid}) {_how(code)}"
        if time.monotonic() > late:
            break
        time.sleep(0.1)
    return None


class Together(pl.Callback):
    """End all processes of a training, with a sentence, when one of them is gone.

    Where torchrun or SLURM started them, that is their part.

    Args:
        advice: What to tell the user how to go on.
        note: Called with the sentence in the first process before it ends.
    """

    def __init__(self, advice: str, note: Callable[[str], Any]) -> None:
        self.advice = advice
        self.note = note
        self.parent = os.getppid()
        self.follows = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        launched = getattr(trainer.strategy.launcher, "procs", [])
        if launched:
            children[:] = launched
            _listen(self._end)
        self.follows = (
            trainer.world_size > 1 and trainer.local_rank > 0 and started_elsewhere() is None
        )
        if self.follows:
            threading.Thread(target=self._follow, daemon=True).start()

    def died(self) -> ProcessDied | None:
        """What to raise where an operation of all processes has failed because one is gone."""
        who = "its first process is gone" if self._orphaned(wait=2) else dead_child(wait=2)
        return ProcessDied(f"The training stopped: {who}. {self.advice}") if who else None

    def _end(self) -> None:
        """Called when Lightning is about to kill this process because of another one."""
        said = str(self.died())
        print(f"mtlsr: {said}", file=sys.stderr, flush=True)
        for child in children:
            child.kill()
        self.note(said)
        os._exit(1)

    def _follow(self) -> None:
        while not self._orphaned():
            time.sleep(1)
        print(f"mtlsr: {self.died()}", file=sys.stderr, flush=True)
        os._exit(1)

    def _orphaned(self, wait: float = 0) -> bool:
        late = time.monotonic() + wait
        while self.follows and os.getppid() == self.parent and time.monotonic() < late:
            time.sleep(0.1)
        return self.follows and os.getppid() != self.parent


class _Obituary(logging.Handler):
    """Lightning watches its processes, and says so in a log before it kills them without a word."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__(logging.INFO)
        self.end = end

    def emit(self, record: logging.LogRecord) -> None:
        if "terminated with code" in record.getMessage():
            self.end()


def _listen(end: Callable[[], None]) -> None:
    log = logging.getLogger("lightning_fabric.strategies.launchers.subprocess_script")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [_Obituary(end)]


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
