"""From the configuration to objects. The only module that instantiates what YAML names."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal

import platformdirs
import pytorch_lightning as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from torch.utils.data import DataLoader

from mtlsr.data.datasets import Dataset, find_dataset
from mtlsr.data.degradation import PARAMETERS, DegradationRanges
from mtlsr.data.loader import build_loader
from mtlsr.data.pairs import EvaluationSet
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store
from mtlsr.networks.base import FirstBlock, SuperResolver
from mtlsr.networks.table import build_pair
from mtlsr.objective.anchor import AnchorTerm
from mtlsr.objective.objective import Objective
from mtlsr.objective.realism import DegradationTerm, StyleTerm
from mtlsr.objective.smoothness import ReconstructionTerm, SmoothnessTerm
from mtlsr.objective.structure import CHANNELS, CleanStructureTerm, StructureTerm
from mtlsr.runs.schema import ConfigError
from mtlsr.stages.base import Recipe
from mtlsr.stages.realism import RealismStage
from mtlsr.stages.restoration import RestorationStage

StageName = Literal["realism", "restoration"]
STAGES: tuple[StageName, ...] = ("realism", "restoration")
STREAMS = {"realism": 1, "restoration": 2, "validation": 3}
"""Streams of random numbers of one seed: no two stages see the same draws."""


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
        "vector_size": len(PARAMETERS),
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
                "realism": DegradationTerm(),
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


def realism_stage(cfg: DictConfig, model: SuperResolver) -> RealismStage:
    """Stage 1: it trains `model`'s first network."""
    return RealismStage(model.realism, objective(cfg, "realism"), recipe(cfg, "realism"))


def restoration_stage(
    cfg: DictConfig, model: SuperResolver, reference: FirstBlock
) -> RestorationStage:
    """Stage 2: it trains both networks; a copy of `reference` judges and anchors."""
    return RestorationStage(
        model,
        objective(cfg, "restoration"),
        recipe(cfg, "restoration"),
        reference,
        cfg.freeze_realism,
    )


def dataset(cfg: DictConfig) -> Dataset:
    """The files of `dataset`."""
    own = cfg.dataset
    return find_dataset(own.name, own.root, own.val_root, own.holdout)


def store(cfg: DictConfig, paths: list[Path]) -> Store:
    """Decoded photographs in the cache folder."""
    cache = (
        Path(cfg.cache or platformdirs.user_cache_path("mtlsr", appauthor=False)) / "photographs"
    )
    return Store.open(paths, cfg.scale, cache)


def ranges(generator: DictConfig) -> DegradationRanges:
    """A degradation's ranges."""
    values: dict[str, Any] = {}
    for entry in fields(DegradationRanges):
        value = generator[entry.name]
        values[entry.name] = value if isinstance(value, float) else tuple(value)
    return DegradationRanges(**values)


def samples(cfg: DictConfig, stage: StageName, files: Dataset) -> SampleDataset:
    """The endless training samples of a stage."""
    if not files.train:
        raise ConfigError(
            f"dataset {files.name!r} has no photographs to train on; it is there to evaluate with."
        )
    realism = stage == "realism"
    return SampleDataset(
        store(cfg, files.train),
        cfg.scale,
        cfg.schedule[stage].patch,
        cfg.seed,
        ranges(cfg.degradation.realism if realism else cfg.degradation),
        stream=STREAMS[stage],
        with_hr=not realism,
        balance=cfg.dataset.balance,
    )


def loader(
    cfg: DictConfig, stage: StageName, files: Dataset, start: int = 0, rank: int = 0, world: int = 1
) -> DataLoader[Any]:
    """The batches of a stage, from step `start` on."""
    return build_loader(
        samples(cfg, stage, files),
        cfg.schedule[stage].batch,
        cfg.schedule[stage].steps,
        start=start,
        workers=workers(cfg),
        rank=rank,
        world=world,
        pin_memory=device(cfg).type == "cuda",
    )


def workers(cfg: DictConfig) -> int:
    """Loader processes: as asked, or none on a CPU and four beside a GPU."""
    if cfg.trainer.workers is not None:
        return int(cfg.trainer.workers)
    return 0 if device(cfg).type == "cpu" else 4


def validation_loader(cfg: DictConfig, stage: StageName, files: Dataset) -> DataLoader[Any]:
    """Held-out photographs: degraded patches for stage 1, whole images for stage 2."""
    if stage == "restoration":
        pairs: Any = files.evaluation("val", cfg.scale)
        return DataLoader(pairs, batch_size=1, collate_fn=list)
    held_out = SampleDataset(
        store(cfg, files.val),
        cfg.scale,
        cfg.schedule.realism.patch,
        seed=0,  # the same patches for every run
        degradation=ranges(cfg.degradation.realism),
        stream=STREAMS["validation"],
        with_hr=False,
    )
    return build_loader(held_out, batch=32, steps=4)


def held_out(cfg: DictConfig, files: Dataset) -> list[EvaluationSet]:
    """The photographs that a finished model is measured on: test, and by its own name val."""
    sets = []
    if files.test:
        sets.append(files.evaluation("test", cfg.scale))
    if files.val:
        val = files.evaluation("val", cfg.scale)
        sets.append(replace(val, name=f"{val.name}-val"))
    return sets


def loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """The loggers that the configuration names, each writing below the run's folder."""
    made: list[Logger] = []
    for name, node in cfg.logger.items():
        try:
            made.append(instantiate(node, save_dir=str(folder)))
        except ModuleNotFoundError as error:
            raise ConfigError(f"logger {name!r} needs the package {error.name!r}.") from error
    return made


def precision(cfg: DictConfig) -> str:
    """Lightning's precision; `auto` follows from what the hardware can do, never from timing."""
    asked = str(cfg.trainer.precision)
    if asked != "auto":
        return asked
    if cfg.trainer.accelerator != "cpu" and torch.cuda.is_available():
        return (
            "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
        )
    return "bf16-mixed" if computes_bf16() else "32-true"


def computes_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 itself; emulated, it is far slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def device(cfg: DictConfig) -> torch.device:
    """Where the finished model is measured: the first device that training used."""
    gpu = cfg.trainer.accelerator != "cpu" and torch.cuda.is_available()
    return torch.device("cuda" if gpu else "cpu")


def trainer(cfg: DictConfig, stage: StageName, **options: Any) -> pl.Trainer:
    """Lightning's Trainer for a stage."""
    own, schedule = cfg.trainer, cfg.schedule[stage]
    every = max(1, schedule.steps // schedule.validations) if schedule.validations else None
    return pl.Trainer(
        accelerator=own.accelerator,
        devices=own.devices,
        num_nodes=own.num_nodes,
        strategy=own.strategy,
        precision=precision(cfg),  # type: ignore[arg-type]
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
