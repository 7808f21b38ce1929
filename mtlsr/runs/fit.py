"""One stage of training under Lightning: callbacks, checkpoints, the fit itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import Logger
from torch import Tensor

from mtlsr.data.datasets import Dataset
from mtlsr.runs import build, photographs
from mtlsr.runs.averaging import AveragedWeights
from mtlsr.runs.interruption import StopOnSignal
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.schema import StageName
from mtlsr.stages.base import Stage

MONITORED = {"realism": "realism/val/psnr_rgb", "restoration": "restoration/val/psnr_y"}


def checkpoint(folder: Path, stage: StageName) -> Path:
    """Where a stage's newest state is."""
    return folder / "checkpoints" / stage / "last.ckpt"


def module_state(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """What a checkpoint's `state_dict` holds of the stage's module `name`, under its own names."""
    prefix = f"{name}."
    return {
        key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)
    }


class LastStep(pl.Callback):
    """Write the state after the last step: the last validation may have been before it."""

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        trainer.save_checkpoint(self.checkpoint)


def fit(
    cfg: DictConfig,
    stage: Stage,
    name: StageName,
    files: Dataset,
    folder: Path,
    loggers: list[Logger],
    progress: StageProgress,
    extra: Sequence[pl.Callback] = (),
) -> None:
    """Train a stage to its last step, from its checkpoint where there is one.

    Afterwards the stage's network holds the averaged weights, and best.ckpt (highest validation
    PSNR) and last.ckpt stand in the run's folder.
    """
    last = checkpoint(folder, name)
    resumed = last if last.is_file() else None
    start = 0
    if resumed:
        saved = torch.load(last, map_location="cpu", weights_only=True)
        start = int(saved["global_step"])
        if start >= cfg.schedule[name].steps:
            stage.load_state_dict(saved["state_dict"])
            return
    held_out = photographs.stage_dataset(cfg, name, files).val
    validated = cfg.schedule[name].validations > 0 and bool(held_out)
    callbacks: list[Any] = [
        *extra,
        progress,
        StopOnSignal(last, f"Go on with: python -m mtlsr.train resume={folder}"),
    ]
    if cfg.schedule[name].averaging > 0:
        callbacks.insert(0, AveragedWeights(cfg.schedule[name].averaging))
    callbacks.insert(0, LastStep(last))  # before the averages take the place of what was trained
    if validated:
        # Two of them: `save_last` leaves last.ckpt as it is where a validation is not the best.
        kept: dict[str, Any] = {"dirpath": last.parent, "enable_version_counter": False}
        callbacks += [
            ModelCheckpoint(**kept, filename="best", monitor=MONITORED[name], mode="max"),
            ModelCheckpoint(**kept, filename=last.stem),
        ]
    trainer = build.trainer(cfg, name, default_root_dir=folder, logger=loggers, callbacks=callbacks)
    loader = photographs.loader(
        cfg, name, files, start, rank=trainer.global_rank, world=trainer.world_size
    )
    validation = photographs.validation_loader(cfg, name, files) if validated else None
    trainer.fit(stage, loader, validation, ckpt_path=resumed, weights_only=True)
