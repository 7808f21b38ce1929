"""The progress bar: both stages, their steps, what is left, loss terms and validation PSNR."""

import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column


class StageProgress(pl.Callback):
    """One bar a stage in one display, and throughput for the loggers.

    Args:
        steps: Steps of each stage, by name, in order.
        shown: Whether a display is drawn at all.
    """

    def __init__(self, steps: Mapping[Any, int], shown: bool = True) -> None:
        self.display = Progress(
            TextColumn("[bold]{task.description}", table_column=Column(min_width=11, no_wrap=True)),
            BarColumn(bar_width=12),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}"),
            console=Console(stderr=True),
            refresh_per_second=2,
            disable=not shown,
        )
        self.tasks: dict[str, TaskID] = {
            name: self.display.add_task(name, total=total, start=False, values="")
            for name, total in steps.items()
        }
        self._since = (0, 0.0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self.display.start()
            self.display.start_task(self.tasks[self._stage(pl_module)])
        self._since = (trainer.global_step, time.perf_counter())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        task = self.tasks[self._stage(pl_module)]
        self.display.update(task, completed=trainer.global_step)
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if trainer.global_step % every == 0:
            self._throughput(trainer, pl_module)
            self.display.update(task, values=self._values(trainer, pl_module))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        task = self.tasks[self._stage(pl_module)]
        self.display.update(task, values=self._values(trainer, pl_module))
        self._since = (trainer.global_step, time.perf_counter())

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.display.update(self.tasks[self._stage(pl_module)], completed=trainer.global_step)

    def close(self) -> None:
        """End the display, so that the terminal is free again."""
        self.display.stop()

    @staticmethod
    def _stage(module: pl.LightningModule) -> str:
        return str(module.stage)

    def _throughput(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        step, then = self._since
        now = time.perf_counter()
        batch = trainer.train_dataloader.batch_sampler.batch * trainer.world_size  # type: ignore[union-attr]
        rate = (trainer.global_step - step) * batch / (now - then)
        self._since = (trainer.global_step, now)
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"{self._stage(module)}/samples_per_second": rate}, trainer.global_step - 1
            )

    @classmethod
    def _values(cls, trainer: pl.Trainer, module: pl.LightningModule) -> str:
        """The last validation and the weighted terms, as far as they are known."""
        stage, known = cls._stage(module), trainer.callback_metrics
        parts = [
            f"[green]val {float(value):.2f} dB[/green]"
            for name, value in known.items()
            if name.startswith(f"{stage}/val/psnr")
        ]
        parts += [
            f"{name.split('/')[1]} {float(value):.4f}"
            for name, value in known.items()
            if name.startswith(f"{stage}/") and name.endswith("/weighted")
        ]
        return " · ".join(parts)
