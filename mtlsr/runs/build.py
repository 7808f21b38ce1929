"""From the configuration to objects. The only module that instantiates what YAML names."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from mtlsr.networks.base import FirstBlock, SuperResolver
from mtlsr.networks.table import build_pair
from mtlsr.objective.anchor import AnchorTerm
from mtlsr.objective.balancing.base import Balancer, balanced_terms
from mtlsr.objective.balancing.table import FIXED, build_balancer, find_method
from mtlsr.objective.objective import Objective
from mtlsr.objective.realism import DegradationTerm, StyleTerm
from mtlsr.objective.smoothness import ReconstructionTerm, SmoothnessTerm
from mtlsr.objective.structure import CHANNELS, CleanStructureTerm, StructureTerm
from mtlsr.runs import hardware, photographs
from mtlsr.runs.schema import STAGES, ConfigError, StageName
from mtlsr.stages.base import Recipe
from mtlsr.stages.realism import RealismStage
from mtlsr.stages.restoration import RestorationStage


def architecture(cfg: DictConfig) -> dict[str, Any]:
    """The arguments of `build_pair` as plain values: what a model folder keeps."""
    transform = cfg.loss.structure.transform
    if transform not in CHANNELS:
        raise ConfigError(
            f"loss.structure.transform is {transform!r}; it is one of {', '.join(CHANNELS)}."
        )
    return {
        "realism": OmegaConf.to_container(cfg.backbone.realism, resolve=True),
        "restoration": OmegaConf.to_container(cfg.backbone.restoration, resolve=True),
        "scale": cfg.scale,
        "vector_size": len(photographs.strengths(cfg)),
        "structure_channels": CHANNELS[transform],
    }


def networks(cfg: DictConfig) -> SuperResolver:
    """Both networks, with weights that follow from the seed alone."""
    torch.manual_seed(cfg.seed)
    pair = build_pair(**architecture(cfg))
    if cfg.trainer.channels_last:
        pair.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return pair


def objective(cfg: DictConfig, stage: StageName) -> Objective:
    """The weighted terms of a stage."""
    loss = cfg.loss
    if stage == "realism":
        return Objective(
            {
                "smoothness": ReconstructionTerm(loss.smoothness.distance),
                "realism": DegradationTerm(loss.realism.detection),
                "structure": CleanStructureTerm(loss.structure.transform),
            },
            {
                "smoothness": loss.stage1.lambda1,
                "realism": loss.stage1.lambda2,
                "structure": loss.stage1.lambda3,
            },
        )
    return Objective(
        {
            "smoothness": SmoothnessTerm(
                loss.smoothness.distance,
                loss.smoothness.reconstruction,
                loss.smoothness.consistency,
            ),
            "realism": StyleTerm(loss.realism.statistic, loss.realism.window),
            "structure": StructureTerm(loss.structure.transform),
            "anchor": AnchorTerm(),
        },
        {
            "smoothness": loss.lambda1,
            "realism": loss.lambda2,
            "structure": loss.lambda3,
            "anchor": loss.lambda4,
        },
    )


def recipe(cfg: DictConfig, stage: StageName) -> Recipe:
    """How a stage is optimised."""
    schedule = cfg.schedule[stage]
    values = {entry.name: schedule[entry.name] for entry in fields(Recipe)}
    return Recipe(**values | {"betas": tuple(schedule.betas)})


def balancer(cfg: DictConfig, stage: StageName, terms: Objective) -> Balancer | None:
    """What balances the terms of a stage; None where their plain sum is minimised.

    Raises:
        ConfigError: The method and something else of the configuration do not go together.
        ValueError: An unknown method or option, a missing package, or nothing to balance.
    """
    options: dict[str, Any] = OmegaConf.to_container(_balancing(cfg), resolve=True)  # type: ignore[assignment]
    name, stages = options.pop("name"), options.pop("stages")
    del options["diagnose_every"]
    for listed in stages:
        if listed not in STAGES:
            raise ConfigError(f"balancing.stages holds {listed!r}; they are {', '.join(STAGES)}.")
    if name == FIXED or stage not in stages:
        return None
    if stage == "realism" and options.get("form") == "cheap":
        raise ConfigError(
            "balancing.form=cheap is for stage 2: stage 1's shared features build on each other; "
            "use exact."
        )
    if find_method(name).per_term:
        precision, strategy = hardware.precision(cfg), str(cfg.trainer.strategy)
        if precision.startswith("16"):
            raise ConfigError(
                f"balancing={name} takes gradients of single terms, which the scaler of "
                f"trainer.precision={precision} does not reach; use bf16-mixed or 32-true."
            )
        if "fsdp" in strategy or "deepspeed" in strategy:
            raise ConfigError(
                f"balancing={name} needs whole gradients on every rank, which "
                f"trainer.strategy={strategy} cuts up; use ddp."
            )
    return build_balancer(name, balanced_terms(terms), seed=cfg.seed, **options)


def realism_stage(cfg: DictConfig, model: SuperResolver) -> RealismStage:
    """Stage 1: it trains `model`'s first network."""
    terms = objective(cfg, "realism")
    return RealismStage(
        model.realism,
        terms,
        recipe(cfg, "realism"),
        balancer(cfg, "realism", terms),
        _balancing(cfg).diagnose_every,
    )


def restoration_stage(
    cfg: DictConfig, model: SuperResolver, reference: FirstBlock
) -> RestorationStage:
    """Stage 2: it trains both networks; a copy of `reference` judges and anchors."""
    terms = objective(cfg, "restoration")
    return RestorationStage(
        model,
        terms,
        recipe(cfg, "restoration"),
        reference,
        cfg.freeze_realism,
        balancer(cfg, "restoration", terms),
        _balancing(cfg).diagnose_every,
    )


def _balancing(cfg: DictConfig) -> DictConfig:
    # Folders of earlier runs have no such choice.
    plain = {"name": FIXED, "stages": [], "diagnose_every": 0}
    return cfg.get("balancing") or OmegaConf.create(plain)


def loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """The loggers that the configuration names, each writing below the run's folder."""
    made: list[Logger] = []
    for name, node in cfg.logger.items():
        try:
            made.append(instantiate(node, save_dir=str(folder)))
        except ModuleNotFoundError as error:
            raise ConfigError(f"logger {name!r} needs the package {error.name!r}.") from error
    return made


def trainer(cfg: DictConfig, stage: StageName, **options: Any) -> pl.Trainer:
    """Lightning's Trainer for a stage."""
    own, schedule = cfg.trainer, cfg.schedule[stage]
    every = max(1, schedule.steps // schedule.validations) if schedule.validations else None
    return pl.Trainer(
        accelerator=own.accelerator,
        devices=own.devices,
        num_nodes=own.num_nodes,
        strategy=own.strategy,
        precision=hardware.precision(cfg),  # type: ignore[arg-type]
        deterministic=own.deterministic,
        max_steps=schedule.steps,
        gradient_clip_val=schedule.clip or None,
        log_every_n_steps=own.log_every,
        val_check_interval=every,
        limit_val_batches=1.0 if every else 0,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
