"""Look at a bad step again: from the checkpoint before it, with the same samples."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from mtlsr.data.batch import Batch
from mtlsr.files import link
from mtlsr.runs import build, photographs, starting
from mtlsr.runs.announcing import announce
from mtlsr.runs.checkpoints import LAST, folder_of
from mtlsr.runs.guard import BadStep, gradient_norms, values_of
from mtlsr.runs.interruption import listening
from mtlsr.runs.manifest import read_manifest
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.replayable import LEFT_OUT, read_step, run_of
from mtlsr.runs.schema import STAGES
from mtlsr.runs.training import Training
from mtlsr.stages.base import Stage


class _Passed(Exception):
    """The step that was asked for is done."""


class _UpTo(pl.Callback):
    """End the training after a step, with its terms said."""

    def __init__(self, step: int) -> None:
        self.step = step
        self._batch: Batch | None = None
        self._found: tuple[dict[str, float], dict[str, float]] = ({}, {})

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._batch = batch

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Look at the gradients of the weights that the step began with."""
        if trainer.global_step == self.step:
            assert isinstance(pl_module, Stage) and self._batch is not None
            self._found = (values_of(pl_module), gradient_norms(pl_module, self._batch))

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, _: int
    ) -> None:
        if trainer.global_step > self.step:
            _tell(*self._found)
            raise _Passed


def replay(file: Path) -> Path:
    """Do the step again, tell its terms and their gradients, and return the file's folder.

    It starts from the checkpoints beside the file, and writes nothing into the run.
    """
    step = read_step(file)
    stored = read_manifest(run_of(file), "replay")["config"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for stage in STAGES:
            source, target = folder_of(file.parent, stage), folder_of(folder, stage)
            for name in (LAST, LEFT_OUT):
                if (source / name).exists():
                    target.mkdir(parents=True, exist_ok=True)
                    link(source / name, target / name)
        cfg = starting.settled(OmegaConf.create({**stored, "folder": scratch, "resume": None}))
        cfg.trainer.guard.policy, cfg.trainer.progress = "stop", False
        cfg.trainer.checkpoint.steps = cfg.trainer.checkpoint.minutes = 0
        announce(f"{step['stage']} step {step['step']}, samples {step['samples']}:")
        try:
            _train(cfg, folder, step)
        except BadStep as error:
            announce(str(error).split(" Look at it")[0])
            for again in folder.glob("replay/*/step.json"):  # the first process's alone has one
                found = json.loads(again.read_text())
                _tell(found["terms"], found["gradient_norms"])
        except _Passed:
            announce("The step passes.")
    return file.parent


def _train(cfg: DictConfig, folder: Path, step: dict[str, Any]) -> None:
    files, model = photographs.dataset(cfg), build.networks(cfg)
    reference = starting.start_weights(cfg, model)
    progress = StageProgress({name: cfg.schedule[name].steps for name in STAGES}, shown=False)
    with listening("Nothing is kept.") as signals:
        training = Training(cfg, files, folder, [], progress, signals)
        if "realism" in cfg.stages and not folder_of(folder, "restoration").exists():
            stage1 = build.realism_stage(cfg, model)
            extra = [_UpTo(step["step"])] if step["stage"] == "realism" else []
            training.fit(stage1, extra)
            reference = stage1.network.first_block
        stage2 = build.restoration_stage(cfg, model, reference)
        extra = [_UpTo(step["step"])]
        training.fit(stage2, extra)


def _tell(values: dict[str, float], norms: dict[str, float]) -> None:
    for name, value in values.items():
        length = f", gradient {norms[name]:.6g}" if name in norms else ""
        announce(f"  {name}: {value:.6g}{length}")
