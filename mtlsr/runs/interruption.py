"""Signals that ask a run to end: it finishes the step, writes the checkpoint, says how to go on."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from mtlsr.runs.saving import Checkpoints
from mtlsr.runs.stopping import Interrupted, asked_to_stop

SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
]


class Signals:
    """What this process was asked while a run is on.

    Args:
        advice: What to tell the user how to go on.
        note: Puts on record why this process ends at once.
    """

    def __init__(self, advice: str, note: Callable[[str], Any]) -> None:
        self.advice = advice
        self.note = note
        self.number: int | None = None
        self.stepping = False
        """Whether a step will look at `number` soon; else a signal ends the run at once."""

    def listen(self) -> None:
        """Handle the signals, also after Lightning put its own handlers in place."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        again = self.number is not None
        self.number = self.number or number
        # Schedulers repeat theirs; only a second Ctrl-C cannot wait for the step.
        if not self.stepping or (again and number == signal.SIGINT):
            raise self.end("Stopped.")

    def end(self, said: str) -> Interrupted:
        """The exception that ends the run."""
        return Interrupted(f"{said} {self.advice}", self.number or signal.SIGTERM)


@contextmanager
def listening(advice: str, note: Callable[[str], Any] = lambda said: None) -> Iterator[Signals]:
    """Listen to signals while the block runs; what was done about them before comes back after."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    signals = Signals(advice, note)
    if asked_to_stop():  # while it was made ready
        raise signals.end("Stopped.")
    signals.listen()
    try:
        yield signals
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


class StopOnSignal(pl.Callback):
    """End between two steps when one process was asked to, with all of them at the same step.

    Args:
        signals: What this process was asked.
        checkpoints: Writes the state.
    """

    def __init__(self, signals: Signals, checkpoints: Checkpoints) -> None:
        self.signals = signals
        self.checkpoints = checkpoints

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.signals.listen()
        self.signals.stepping = True

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        if self._asked(trainer):
            self.checkpoints.save(trainer)
            raise self.signals.end(f"Stopped after step {trainer.global_step}.")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._asked(trainer):
            raise self.signals.end(f"Stopped after step {trainer.global_step}.")

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.signals.stepping = False

    def _asked(self, trainer: pl.Trainer) -> bool:
        asked = self.signals.number is not None
        if trainer.world_size == 1:
            return asked
        return trainer.strategy.reduce_boolean_decision(asked, all=False)
