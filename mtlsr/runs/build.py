"""From the configuration to networks, stages and trainers."""

import os
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from torch import nn

from mtlsr.networks.base import FirstBlock, SRNetwork
from mtlsr.networks.table import build_network
from mtlsr.objective.structure import CHANNELS
from mtlsr.runs import hardware, losses, photographs
from mtlsr.runs.checkpoints import WholeFiles
from mtlsr.runs.profiling import StepProfiler
from mtlsr.runs.schema import ConfigError, StageName, plain
from mtlsr.stages.base import Recipe
from mtlsr.stages.realism import RealismStage
from mtlsr.stages.restoration import RestorationStage


def architecture(cfg: DictConfig) -> dict[str, Any]:
    """The arguments of `build_network` as plain values: what a model folder keeps."""
    if single_task(cfg) is not None:
        options = plain(cfg.backbone.single_task)
        return {"single_task": options, "scale": cfg.scale}
    transform = cfg.loss.structure.transform
    if transform not in CHANNELS:
        raise ConfigError(
            f"loss.structure.transform is {transform!r}; it is one of {', '.join(CHANNELS)}."
        )
    return {
        "realism": plain(cfg.backbone.realism),
        "restoration": plain(cfg.backbone.restoration),
        "scale": cfg.scale,
        "vector_size": len(photographs.strengths(cfg)),
        "structure_channels": CHANNELS[transform],
    }


def single_task(cfg: DictConfig) -> str | None:
    """Name of the network of one task that takes the place of both stages; None = a pair."""
    options = cfg.backbone.single_task
    return None if options is None else str(options.get("name"))


def networks(cfg: DictConfig) -> SRNetwork:
    """Both networks, or one of one task, with weights that follow from the seed alone."""
    torch.manual_seed(cfg.seed)
    network = build_network(**architecture(cfg))
    if cfg.trainer.channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def recipe(cfg: DictConfig, stage: StageName) -> Recipe:
    """How a stage is optimised."""
    schedule = cfg.schedule[stage]
    values = {entry.name: schedule[entry.name] for entry in fields(Recipe)}
    try:
        return Recipe(**values | {"betas": tuple(schedule.betas)})
    except ValueError as error:
        raise ConfigError(f"schedule.{stage}.{error}") from error


def realism_stage(cfg: DictConfig, model: SRNetwork) -> RealismStage:
    """Stage 1: it trains `model`'s first network."""
    assert model.realism is not None  # checked at the start: `checking.check`
    terms = losses.objective(cfg, "realism")
    _compile(cfg, model.realism)
    return RealismStage(
        model.realism,
        terms,
        recipe(cfg, "realism"),
        losses.balancer(cfg, "realism", terms),
        losses.diagnose_every(cfg),
    )


def restoration_stage(
    cfg: DictConfig, model: SRNetwork, reference: FirstBlock | None
) -> RestorationStage:
    """Stage 2: it trains all networks; a copy of `reference`, if any, judges and anchors."""
    terms = losses.objective(cfg, "restoration", reference)
    _compile(cfg, model)
    return RestorationStage(
        model,
        terms,
        recipe(cfg, "restoration"),
        reference,
        cfg.freeze_realism,
        losses.discriminator(cfg),
        cfg.loss.adversarial.lr,
        losses.balancer(cfg, "restoration", terms),
        losses.diagnose_every(cfg),
    )


def _compile(cfg: DictConfig, network: nn.Module) -> None:
    """Let the network be compiled when it is first called; its weights keep their names."""
    if cfg.trainer.compile:
        network.compile()


def check_trainer(cfg: DictConfig, stage: StageName) -> None:
    """Refuse what Lightning or a stage cannot train with (ConfigError)."""
    strategy = str(cfg.trainer.strategy)
    if strategy.startswith(("fsdp", "deepspeed", "model_parallel")):
        raise ConfigError(
            f"trainer.strategy is {strategy!r}, which cuts weights to pieces; averaged weights, "
            "the anchor and balancing need them whole: use ddp_find_unused_parameters_true."
        )
    on_cpu = hardware.device(cfg).type == "cpu"
    if cfg.trainer.sync_batchnorm and on_cpu:
        raise ConfigError("trainer.sync_batchnorm is true, which exists on GPUs only.")
    compiler = os.environ.get("CXX", "g++")
    if cfg.trainer.compile and on_cpu and shutil.which(compiler) is None:
        raise ConfigError(
            f"trainer.compile is true, which needs a C++ compiler on a CPU, and {compiler} is not "
            "here: install it, name another one in the variable CXX, or leave it false."
        )
    try:
        trainer(cfg, stage, logger=False)
    except Exception as error:  # Lightning raises whatever comes to its mind
        raise ConfigError(f"trainer cannot be made: {' '.join(str(error).split())}") from error


def trainer(
    cfg: DictConfig, stage: StageName, folder: Path | None = None, **options: Any
) -> pl.Trainer:
    """Lightning's Trainer for a stage; one without a folder is made to be looked at."""
    own, schedule = cfg.trainer, cfg.schedule[stage]
    if own.profile and folder is not None:
        options["profiler"] = StepProfiler(folder / "profile", stage, schedule.steps)
    every = max(1, schedule.steps // schedule.validations) if schedule.validations else None
    strategy = own.strategy
    if own.devices * own.num_nodes > 1 and strategy in ("auto", "ddp"):
        strategy = "ddp_find_unused_parameters_true"  # some weights have no gradient in stage 2
    return pl.Trainer(
        accelerator=own.accelerator,
        devices=own.devices,
        num_nodes=own.num_nodes,
        sync_batchnorm=own.sync_batchnorm,
        strategy=strategy,
        precision=hardware.precision(cfg),  # type: ignore[arg-type]
        deterministic=own.deterministic,
        max_steps=schedule.steps,
        gradient_clip_val=schedule.clip or None,
        log_every_n_steps=own.log_every,
        val_check_interval=every,
        limit_val_batches=1.0 if every else 0,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        plugins=[WholeFiles()],
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )
