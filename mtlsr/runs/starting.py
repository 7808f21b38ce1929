"""What a run starts from: its configuration, seed and threads, and the weights of earlier runs."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf

from mtlsr.networks.base import FirstBlock, SRNetwork
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.runs import build
from mtlsr.runs.checkpoints import folder_of, module_state, newest
from mtlsr.runs.loggers import check_loggers
from mtlsr.runs.manifest import NAME, read_manifest
from mtlsr.runs.schema import ConfigError

AUTO = "auto"
"""`resume=auto` goes on with the run in the run's own folder, where there is one."""

ENDS = ("scale", "vector_size", "structure_channels")
"""Arguments of `build_network` that settle the shapes of the first and last layers alone."""


def settled(cfg: DictConfig) -> DictConfig:
    """The configuration to run, a resumed run's own where there is one. Sets seed and threads.

    Raises:
        ConfigError: `resume` is no run folder, or its configuration names what is no logger.
    """
    cfg.resume = resumed(cfg)
    if cfg.resume is not None:
        stored = read_manifest(cfg.resume, "resume")["config"]
        cfg = OmegaConf.create({**stored, "folder": cfg.resume, "resume": cfg.resume})
    check_loggers(cfg)
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    pl.seed_everything(cfg.seed, verbose=False)
    return cfg


def resumed(cfg: DictConfig) -> str | None:
    """The run folder that goes on; None = the run begins."""
    if cfg.resume == AUTO:
        return str(cfg.folder) if (Path(cfg.folder) / NAME).is_file() else None
    return None if cfg.resume is None else str(cfg.resume)


def start_weights(cfg: DictConfig, model: SRNetwork) -> FirstBlock | None:
    """Load what the run starts from into `model`; return the first block that judges and anchors.

    That is stage 1's own as it stands when training starts: from `stage1`, from `init`, or, trained
    from scratch, the random one, which no term of weight > 0 may then use; None without a stage 1.

    `init` may be of another scale or degradation: layers of another shape then begin anew.

    Raises:
        ConfigError: Another backbone, `stage1` of another scale, or a folder that lacks something.
    """
    if cfg.init is not None:
        _fine_tune(cfg, model)
    if model.realism is None:
        return None
    if cfg.stage1 is not None:
        config = read_manifest(cfg.stage1, "stage1")["config"]
        for key, theirs, ours in (
            ("scale", config["scale"], cfg.scale),
            ("backbone.realism", config["backbone"]["realism"], dict(cfg.backbone.realism)),
            ("degradation.realism.name", *(_generator(c) for c in (config, cfg))),
        ):
            if theirs != ours:
                raise ConfigError(f"stage1={cfg.stage1} has {key} {theirs}; this run has {ours}.")
        finished = newest(folder_of(Path(cfg.stage1), "realism"))
        if finished is None:
            raise ConfigError(f"stage1={cfg.stage1} holds no finished stage 1: no checkpoint.")
        saved = finished[1]
        done, steps = saved["global_step"], config["schedule"]["realism"]["steps"]
        if done < steps:
            raise ConfigError(
                f"stage1={cfg.stage1} stopped after step {done} of {steps}; let it finish first: "
                f"python -m mtlsr.train resume={cfg.stage1}"
            )
        model.realism.load_state_dict(module_state(saved["state_dict"], "network"))
    return model.first_block


def _fine_tune(cfg: DictConfig, model: SRNetwork) -> None:
    found, theirs = load_model(model_folder(cfg.init))
    ours = build.architecture(cfg)
    if any(theirs.get(key) != ours.get(key) for key in {*theirs, *ours} - {*ENDS}):
        raise ConfigError(
            f"init={cfg.init} holds {_summary(theirs)}; this run trains {_summary(ours)}. Both "
            "must have the same networks: those that come with the package are those of "
            "experiment=flagship_rescaled, but x4_real."
        )
    fresh, trained = model.state_dict(), found.state_dict()
    for name, value in trained.items():
        if name in fresh and fresh[name].shape == value.shape:
            fresh[name] = value
    model.load_state_dict(fresh)


def _generator(config: Any) -> str:
    """Kind of stage 1's generator, which settles what the realism vector's entries are."""
    kind: str = config["degradation"]["realism"]["name"]
    return kind


def _summary(architecture: dict[str, Any]) -> str:
    names = "/".join(str(part["name"]) for part in architecture.values() if isinstance(part, dict))
    return f"{names} ×{architecture['scale']} {architecture}"
