"""Whether a training can be done, looked at before anything is written."""

import tempfile
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mtlsr.files import nearest
from mtlsr.objective.balancing.table import FIXED
from mtlsr.runs import build, losses, photographs
from mtlsr.runs.guard import POLICIES
from mtlsr.runs.loggers import check_loggers
from mtlsr.runs.manifest import read_manifest
from mtlsr.runs.replayable import read_step, run_of
from mtlsr.runs.schema import STAGES, ConfigError, check_ranges
from mtlsr.runs.starting import AUTO, start_weights


def check(cfg: DictConfig) -> None:
    """Build all that a run needs and look whether it fits, without writing to the run's folder."""
    if cfg.replay is not None:
        read_step(cfg.replay)
        read_manifest(run_of(cfg.replay), "replay")
        return
    if cfg.resume not in (None, AUTO):
        read_manifest(cfg.resume, "resume")
        _check_writable(
            Path(cfg.resume), "the run goes on in it: allow that, or copy it and resume the copy."
        )
        return
    for stage in cfg.stages:
        if stage not in STAGES:
            raise ConfigError(f"stages holds {stage!r}; they are {', '.join(STAGES)}.")
    if not cfg.stages:
        raise ConfigError(f"stages is empty; choose from {', '.join(STAGES)}.")
    _check_single_task(cfg)
    if "realism" in cfg.stages and cfg.stage1 is not None:
        raise ConfigError("stage1 is given, so stages must be [restoration].")
    scratch = "realism" not in cfg.stages and cfg.stage1 is None and cfg.init is None
    if scratch and (cfg.loss.lambda2 > 0 or cfg.loss.lambda4 > 0):
        raise ConfigError(
            f"loss.lambda2 is {cfg.loss.lambda2} and loss.lambda4 is {cfg.loss.lambda4}, but "
            "without a stage 1 nothing judges or anchors: set both to 0 (experiment=joint), or "
            "give stage1 or init."
        )
    if scratch and cfg.freeze_realism:
        raise ConfigError(
            "freeze_realism is true, but there is no stage 1 whose weights could be kept: give "
            "stage1 or init, or let stages hold realism."
        )
    check_ranges(cfg)
    if cfg.trainer.guard.policy not in POLICIES:
        raise ConfigError(
            f"trainer.guard.policy is {cfg.trainer.guard.policy!r}; "
            f"it is one of {', '.join(POLICIES)}."
        )
    check_loggers(cfg)
    first_block = start_weights(cfg, build.networks(cfg))
    losses.discriminator(cfg)
    files = photographs.dataset(cfg)
    for stage in cfg.stages:
        build.recipe(cfg, stage)
        build.check_trainer(cfg, stage)
        losses.balancer(cfg, stage, losses.objective(cfg, stage, first_block))
        photographs.samples(cfg, stage, files)
        if photographs.stage_dataset(cfg, stage, files).val and cfg.schedule[stage].validations:
            photographs.validation_loader(cfg, stage, files)
    method = cfg.balancing.name
    if method != FIXED and not set(cfg.balancing.stages) & set(cfg.stages):
        raise ConfigError(
            f"balancing is {method} in balancing.stages={list(cfg.balancing.stages)}, and stages "
            f"is {list(cfg.stages)}: it would balance nothing."
        )
    if "restoration" in cfg.stages:
        photographs.held_out(cfg, files, decoding=True)
    _check_writable(
        Path("outputs") if OmegaConf.is_interpolation(cfg, "folder") else Path(cfg.folder),
        "the run's folder goes there: choose another with hydra.run.dir=<folder>.",
    )
    if cfg.sweep.stage1 is not None:
        _check_writable(
            Path(cfg.sweep.stage1), "jobs share their stage 1 in it: choose another sweep.stage1."
        )


def _check_single_task(cfg: DictConfig) -> None:
    """Refuse what a network of one task does not have."""
    name = build.single_task(cfg)
    if name is None:
        return
    inner = cfg.loss.smoothness
    for key, value, allowed in (
        ("stages", list(cfg.stages), ["restoration"]),
        ("stage1", cfg.stage1, None),
        ("freeze_realism", cfg.freeze_realism, False),
        ("loss.lambda2", cfg.loss.lambda2, 0),
        ("loss.lambda3", cfg.loss.lambda3, 0),
        ("loss.lambda4", cfg.loss.lambda4, 0),
        ("loss.smoothness.reconstruction", inner.reconstruction, 0),
        ("loss.smoothness.consistency", inner.consistency, 0),
    ):
        if value != allowed:
            raise ConfigError(
                f"{key} is {value}, but backbone.single_task={name} has one task and no stage 1: "
                f"it must be {allowed} (experiment=single_task sets what has to be)."
            )


def _check_writable(folder: Path, advice: str) -> None:
    """Look whether a folder, or the first existing one above it, takes files."""
    place = nearest(folder)
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ConfigError(
            f"{str(place.resolve())!r} cannot be written ({error.strerror}); {advice}"
        ) from error
