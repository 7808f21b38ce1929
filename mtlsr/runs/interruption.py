"""Ctrl-C: finish the step, write the checkpoint, say how to go on."""

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from mtlsr.runs.command import Interrupted


class StopOnSignal(pl.Callback):
    """Turn Ctrl-C into an end between two steps. A second Ctrl-C stops at once.

    Args:
        checkpoint: Where the state goes.
        advice: What to tell the user.
    """

    def __init__(self, checkpoint: Path, advice: str) -> None:
        self.checkpoint = checkpoint
        self.advice = advice
        self._asked = False
        self._saved = False
        self._previous: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked = True
        signal.signal(number, self._previous)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        # Lightning counts on from a checkpoint of this hook. What the step still has to do, logging
        # and perhaps validation, comes after it, so the end waits for the next step's start.
        if self._asked:
            trainer.save_checkpoint(self.checkpoint)
            self._saved = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        self._stop_if_saved(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._stop_if_saved(trainer)

    def _stop_if_saved(self, trainer: pl.Trainer) -> None:
        if self._saved:
            raise Interrupted(f"Stopped after step {trainer.global_step}. {self.advice}")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if self._previous is not None and not self._asked:
            signal.signal(signal.SIGINT, self._previous)
