"""One stage of training under Lightning: callbacks, checkpoints, the fit itself."""

from collections.abc import Sequence
from pathlib import Path

import pytorch_lightning as pl
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from mtlsr.data.datasets import Dataset
from mtlsr.runs import build, photographs
from mtlsr.runs.announcing import announce
from mtlsr.runs.averaging import AveragedWeights
from mtlsr.runs.checkpoints import folder_of, newest
from mtlsr.runs.guard import Guard, Rewind
from mtlsr.runs.interruption import Signals, StopOnSignal
from mtlsr.runs.memory import out_of_memory, ran_out
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.saving import Checkpoints
from mtlsr.runs.schema import StageName
from mtlsr.runs.together import Together
from mtlsr.runs.tracking import MetricsCsv
from mtlsr.stages.base import Stage

MONITORED = {"realism": "realism/val/psnr_rgb", "restoration": "restoration/val/psnr_y"}


def fit(
    cfg: DictConfig,
    stage: Stage,
    name: StageName,
    files: Dataset,
    folder: Path,
    loggers: list[Logger],
    progress: StageProgress,
    signals: Signals,
    extra: Sequence[pl.Callback] = (),
) -> None:
    """Train a stage to its last step, from its newest intact checkpoint where there is one.

    Afterwards the stage's network holds the averaged weights, and last.ckpt, previous.ckpt and
    best.ckpt (highest validation PSNR) stand in the run's folder.

    Raises:
        UserError: A step was bad, memory ran out, a process died, a checkpoint was damaged.
    """
    while True:
        try:
            return _fit(cfg, stage, name, files, folder, loggers, progress, signals, extra)
        except Rewind:
            found = newest(folder_of(folder, name))
            for logger in loggers:
                if found is not None and isinstance(logger, MetricsCsv):
                    logger.cut(found[1]["rows"])


def _fit(
    cfg: DictConfig,
    stage: Stage,
    name: StageName,
    files: Dataset,
    folder: Path,
    loggers: list[Logger],
    progress: StageProgress,
    signals: Signals,
    extra: Sequence[pl.Callback],
) -> None:
    schedule, kept = cfg.schedule[name], folder_of(folder, name)
    resumed, start = None, 0
    if (found := newest(kept)) is not None:
        resumed, state, _ = found
        start = int(state["global_step"])
        if start >= schedule.steps:
            stage.load_state_dict(state["state_dict"])
            return
    validated = schedule.validations > 0 and bool(photographs.stage_dataset(cfg, name, files).val)
    # Folders of earlier runs name neither.
    rhythm, watch = cfg.trainer.get("checkpoint") or {}, cfg.trainer.get("guard") or {}
    policy = watch.get("policy", "stop")
    checkpoints = Checkpoints(
        kept,
        MONITORED[name],
        rhythm.get("steps", 0),
        rhythm.get("minutes", 0),
        resumed,
        first=policy == "rewind",
    )
    together = Together(signals.advice, signals.note)
    callbacks: list[pl.Callback] = [checkpoints]
    if schedule.averaging > 0:
        callbacks.append(AveragedWeights(schedule.averaging))
    callbacks += [
        *extra,
        progress,
        StopOnSignal(signals, checkpoints),
        Guard(name, folder, kept, policy, watch.get("explosion", 0)),
        together,
    ]
    trainer = build.trainer(cfg, name, default_root_dir=folder, logger=loggers, callbacks=callbacks)
    loader = photographs.loader(
        cfg, name, files, start, rank=trainer.global_rank, world=trainer.world_size
    )
    validation = photographs.validation_loader(cfg, name, files) if validated else None
    if trainer.world_size > 1:
        announce(
            f"{name}: {trainer.world_size} processes of {schedule.batch} samples are "
            f"{trainer.world_size * schedule.batch} a step, at a learning rate of {schedule.lr:g}."
        )
    try:
        trainer.fit(stage, loader, validation, ckpt_path=resumed, weights_only=True)
    except (RuntimeError, MemoryError) as error:
        if ran_out(error):
            raise out_of_memory(stage, name, loader, trainer.world_size) from error
        if trainer.world_size > 1 and (died := together.died()) is not None:
            raise died from error
        raise
