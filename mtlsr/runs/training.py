"""A run's stages under Lightning: callbacks, checkpoints, the fit itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from mtlsr.data.datasets import Dataset
from mtlsr.runs import build, photographs
from mtlsr.runs.announcing import announce
from mtlsr.runs.averaging import AveragedWeights
from mtlsr.runs.checkpoints import folder_of, newest
from mtlsr.runs.generators import restore_generators
from mtlsr.runs.guard import Guard, Rewind
from mtlsr.runs.interruption import Signals, StopOnSignal
from mtlsr.runs.memory import out_of_memory, ran_out
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.saving import Checkpoints, generators_in
from mtlsr.runs.schema import StageName
from mtlsr.runs.together import Together
from mtlsr.runs.tracking import MetricsCsv
from mtlsr.stages.base import Stage

MONITORED = {"realism": "realism/val/psnr_rgb", "restoration": "restoration/val/psnr_y"}


@dataclass(frozen=True)
class Training:
    """What the stages of a run share while they are trained."""

    cfg: DictConfig
    files: Dataset
    folder: Path
    """The run's: last.ckpt, previous.ckpt and best.ckpt (highest validation PSNR) of each stage
    stand in it."""
    loggers: Sequence[Logger]
    progress: StageProgress
    signals: Signals

    def fit(self, stage: Stage, extra: Sequence[pl.Callback] = ()) -> None:
        """Train a stage to its last step, from its newest intact checkpoint where there is one.

        Afterwards its network holds the averaged weights, and the generators are where the last
        step left them, also where that was another process's.

        Args:
            stage: What is trained.
            extra: Callbacks beside those that every training has.

        Raises:
            UserError: A step was bad, memory ran out, a process died, a checkpoint was damaged.
        """
        steps = self.cfg.schedule[stage.stage].steps
        while True:
            found = newest(folder_of(self.folder, stage.stage))
            resumed, state = (None, {}) if found is None else found[:2]
            if (done := int(state.get("global_step", 0))) >= steps:
                stage.load_state_dict(state["state_dict"])
                rank = build.trainer(self.cfg, stage.stage, logger=False).global_rank
                restore_generators(generators_in(state), rank)
                return
            try:
                return self._fit(stage, resumed, done, extra)
            except Rewind:
                self._cut_logs(stage.stage)

    def _fit(
        self, stage: Stage, resumed: Path | None, done: int, extra: Sequence[pl.Callback]
    ) -> None:
        cfg, name, files = self.cfg, stage.stage, self.files
        together = Together(self.signals.advice, self.signals.note)
        callbacks = [*self._callbacks(name, resumed, extra), together]
        trainer = build.trainer(cfg, name, self.folder, logger=self.loggers, callbacks=callbacks)
        rank, world = trainer.global_rank, trainer.world_size
        loader = photographs.loader(cfg, name, files, done, rank, world)
        validation = None
        if cfg.schedule[name].validations and photographs.stage_dataset(cfg, name, files).val:
            validation = photographs.validation_loader(cfg, name, files)
        if world > 1:
            batch, lr = cfg.schedule[name].batch, cfg.schedule[name].lr
            announce(
                f"{name}: {world} processes of {batch} samples are {world * batch} a step, "
                f"at a learning rate of {lr:g}."
            )
        try:
            trainer.fit(stage, loader, validation, ckpt_path=resumed, weights_only=True)
        except (RuntimeError, MemoryError) as error:
            if ran_out(error):
                raise out_of_memory(stage, name, loader, world) from error
            if world > 1 and (died := together.died()) is not None:
                raise died from error
            raise

    def _callbacks(
        self, name: StageName, resumed: Path | None, extra: Sequence[pl.Callback]
    ) -> list[pl.Callback]:
        rhythm, guard = self.cfg.trainer.checkpoint, self.cfg.trainer.guard
        kept = folder_of(self.folder, name)
        checkpoints = Checkpoints(
            kept,
            MONITORED[name],
            rhythm.steps,
            rhythm.minutes,
            resumed,
            first=guard.policy == "rewind",
        )
        decay = self.cfg.schedule[name].averaging
        return [
            checkpoints,
            *([AveragedWeights(decay)] if decay > 0 else []),
            *extra,
            self.progress,
            StopOnSignal(self.signals, checkpoints),
            Guard(name, self.folder, kept, guard.policy, guard.explosion),
        ]

    def _cut_logs(self, name: StageName) -> None:
        """Take away the logged rows of steps that are done again."""
        found = newest(folder_of(self.folder, name))
        for logger in self.loggers:
            if found is not None and isinstance(logger, MetricsCsv):
                logger.cut(found[1]["rows"])
