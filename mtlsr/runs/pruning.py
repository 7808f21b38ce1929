"""A training that is given up half-way because others do better."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

PRUNED = "pruned"
"""A manifest's status then."""


class Pruned(Exception):
    """The training was given up; what it has found out is on record."""


class Pruning(pl.Callback):
    """Ask after every validation whether the training is worth going on with; after the last one
    it is over, whatever is said.

    Args:
        monitor: Logged value that is told.
        hopeless: Takes the step and the value; says whether the training is given up.
    """

    def __init__(self, monitor: str, hopeless: Callable[[int, float], bool]) -> None:
        self.monitor = monitor
        self.hopeless = hopeless

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> Any:
        """Raise `Pruned` if it is not."""
        value = trainer.callback_metrics.get(self.monitor)
        if value is None:
            return
        hopeless = self.hopeless(trainer.global_step, float(value))
        if hopeless and trainer.global_step < trainer.max_steps:
            raise Pruned(f"Given up after step {trainer.global_step}: others were better by then.")
