"""When a stage's state is written: between two steps, so that going on is exact."""

import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from mtlsr.files import link
from mtlsr.runs.checkpoints import BEST, LAST, PREVIOUS, State
from mtlsr.runs.generators import generator_states, restore_generators
from mtlsr.runs.tracking import MetricsCsv


class Checkpoints(pl.Callback):
    """Write checkpoints after so many steps or minutes, after every validation and the last step.

    A checkpoint is written when the next step starts: by then all that belongs to the step before
    is done, its rows in metrics.csv, its validation, the swap of averaged weights and back.
    Lightning's own callback writes before that, and a resumed run would leave it out. To be put
    before the averaging, which at the end takes the place of what was trained.

    Args:
        folder: Of the stage's checkpoints.
        monitor: Logged value whose highest one makes a checkpoint the best; it may never come.
        steps: Steps between two checkpoints, 0 = not by steps.
        minutes: Minutes between two, 0 = not by minutes.
        resumed: The checkpoint that the stage goes on from.
        first: Whether one is written before the first step.
    """

    def __init__(
        self,
        folder: Path,
        monitor: str,
        steps: int,
        minutes: float,
        resumed: Path | None,
        first: bool = False,
    ) -> None:
        self.folder = folder
        self.monitor = monitor
        self.steps = steps
        self.minutes = minutes
        self.first = first
        self.resumed = resumed
        self.intact = resumed is None or resumed.name == LAST
        self.best = (-float("inf"), -1)
        self._states: list[dict[str, Any]] = []
        self._validated = False
        self._since = 0.0
        self._saved = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since = time.monotonic()
        self._saved = -1 if self.first and trainer.global_step == 0 else trainer.global_step
        restore_generators(self._states, trainer.global_rank)
        if self.resumed is not None:  # whoever was killed may not have come to its second name
            self._name_best(trainer, self.resumed)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._validated = True
        score = trainer.callback_metrics.get(self.monitor)
        if score is not None and float(score) > self.best[0]:
            self.best = float(score), trainer.global_step

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        if self._due(trainer):
            self.save(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.save(trainer)

    def save(self, trainer: pl.Trainer) -> None:
        """Write the state as it is between two steps; all processes call this together."""
        last = self.folder / LAST
        if trainer.is_global_zero and self.intact and last.exists():
            link(last, self.folder / PREVIOUS)
        trainer.save_checkpoint(last)
        self.intact = True
        self._name_best(trainer, last)
        self._validated = False
        self._since = time.monotonic()
        self._saved = trainer.global_step

    def _due(self, trainer: pl.Trainer) -> bool:
        step = trainer.global_step
        if step == self._saved:
            return False
        if self._validated or step == 0 or (self.steps and step % self.steps == 0):
            return True
        if not self.minutes:
            return False
        late = time.monotonic() - self._since > 60 * self.minutes
        if trainer.world_size == 1:
            return late
        return trainer.strategy.reduce_boolean_decision(late, all=False)

    def _name_best(self, trainer: pl.Trainer, path: Path) -> None:
        if trainer.is_global_zero and self.best[1] == trainer.global_step:
            link(path, self.folder / BEST)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "generators": generator_states()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best = tuple(state_dict["best"])
        self._states = state_dict["generators"]

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.is_global_zero:
            written = [log.rows() for log in trainer.loggers if isinstance(log, MetricsCsv)]
            checkpoint["rows"] = written[0] if written else None
        _settle(trainer, checkpoint["loops"]["fit_loop"])


def generators_in(checkpoint: State) -> list[dict[str, Any]]:
    """The generators' states, process by process."""
    found: list[dict[str, Any]] = checkpoint["callbacks"][Checkpoints.__qualname__]["generators"]
    return found


def _settle(trainer: pl.Trainer, loop: dict[str, Any]) -> None:
    """Count the step that was only announced as not begun.

    Lightning knows states from after a step's validation, not from the next step's start. After a
    validation it counts the step for the loggers once more.
    """
    progress = loop["epoch_loop.batch_progress"]
    for counts in (progress["total"], progress["current"]):
        counts["ready"] = counts["completed"]
    done = progress["total"]["completed"]
    if trainer.enable_validation and done % trainer.val_check_batch == 0:
        loop["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1
