"""What happens around training: what a run starts from, its record, its results."""

import itertools
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from rich.console import Console

from mtlsr.data.datasets import Dataset
from mtlsr.data.inspection.screening import listed
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, resolver
from mtlsr.metrics.protocol import Protocol
from mtlsr.networks.base import FirstBlock, Resolver
from mtlsr.networks.folder import load_model, model_folder, save_model
from mtlsr.runs import build, hardware, losses, photographs, pictures
from mtlsr.runs.announcing import announce
from mtlsr.runs.checkpoints import folder_of, module_state, newest
from mtlsr.runs.command import Interrupted
from mtlsr.runs.evaluation.measuring import evaluate
from mtlsr.runs.evaluation.tables import rich_table, sheet
from mtlsr.runs.files import write_json
from mtlsr.runs.guard import POLICIES
from mtlsr.runs.manifest import NAME, Manifest, read_manifest
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.pruning import PRUNED, Pruned
from mtlsr.runs.replayable import read_step, run_of
from mtlsr.runs.schema import STAGES, ConfigError, check_ranges
from mtlsr.runs.slurm import requeue
from mtlsr.runs.terms import held_out_terms
from mtlsr.runs.tracking import log_panels
from mtlsr.stages.restoration import RestorationStage

AUTO = "auto"
"""`resume=auto` goes on with the run in the run's own folder, where there is one."""
PICTURED = 8
"""Held-out photographs, at the most, of which pictures are drawn."""


def plain(cfg: DictConfig) -> dict[str, Any]:
    """The composed configuration as plain containers."""
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]


def settled(cfg: DictConfig) -> DictConfig:
    """The configuration to run, a resumed run's own where there is one. Sets seed and threads."""
    if cfg.resume == AUTO:
        cfg.resume = cfg.folder if (Path(cfg.folder) / NAME).is_file() else None
    if cfg.resume is not None:
        stored = read_manifest(cfg.resume, "resume")["config"]
        cfg = OmegaConf.create({**stored, "folder": str(cfg.resume), "resume": str(cfg.resume)})
    if cfg.trainer.threads is not None:
        torch.set_num_threads(cfg.trainer.threads)
    pl.seed_everything(cfg.seed, verbose=False)
    return cfg


def start_weights(cfg: DictConfig, model: Resolver) -> FirstBlock | None:
    """Load what the run starts from into `model`; return the first block that judges and anchors.

    That is stage 1's own as it stands when training starts: from `stage1`, from `init`, or, trained
    from scratch, the random one, which no term of weight > 0 may then use; None without a stage 1.

    Raises:
        ConfigError: Another scale or backbone, or a folder without what is needed.
    """
    if cfg.init is not None:
        folder = model_folder(cfg.init)
        found, architecture = load_model(folder)
        if architecture != build.architecture(cfg):
            raise ConfigError(
                f"init={cfg.init} holds {_summary(architecture)}; "
                f"this run trains {_summary(build.architecture(cfg))}."
            )
        model.load_state_dict(found.state_dict())
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


def check(cfg: DictConfig) -> None:
    """Build all that a run needs and look whether it fits, without writing to the run's folder."""
    if cfg.replay is not None:
        read_step(cfg.replay)
        read_manifest(run_of(cfg.replay), "replay")
        return
    if cfg.resume not in (None, AUTO):
        read_manifest(cfg.resume, "resume")
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
            "without a stage 1 nothing judges or anchors: set both to 0 (experiment=joint) or "
            "give stage1."
        )
    check_ranges(cfg)
    if cfg.trainer.guard.policy not in POLICIES:
        raise ConfigError(
            f"trainer.guard.policy is {cfg.trainer.guard.policy!r}; "
            f"it is one of {', '.join(POLICIES)}."
        )
    first_block = start_weights(cfg, build.networks(cfg))
    losses.discriminator(cfg)
    files = photographs.dataset(cfg)
    for stage in cfg.stages:
        build.check_trainer(cfg, stage)
        losses.balancer(cfg, stage, losses.objective(cfg, stage, first_block))
        photographs.samples(cfg, stage, files)
        if photographs.stage_dataset(cfg, stage, files).val and cfg.schedule[stage].validations:
            photographs.validation_loader(cfg, stage, files)
    _check_writable(cfg)


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


def _check_writable(cfg: DictConfig) -> None:
    """Look whether the run's folder, or the first existing one above it, takes files."""
    folder = Path("outputs") if OmegaConf.is_interpolation(cfg, "folder") else Path(cfg.folder)
    while not folder.exists():
        folder = folder.parent if folder.parent != folder else Path()
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{str(folder.resolve())!r} cannot be written ({error.strerror}); the run's folder "
            "goes there: choose another with hydra.run.dir=<folder>."
        ) from error


@contextmanager
def recorded(cfg: DictConfig, folder: Path, files: Dataset) -> Iterator[Manifest]:
    """The run's manifest, with how it ended: done, failed or interrupted."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(folder, plain(cfg))
    manifest.write(data=photographs.fingerprint(cfg, files))
    left_out = photographs.left_out(cfg, files)
    manifest.write(left_out=[str(error) for error in left_out])
    if left_out:
        announce(f"Left out: {len(left_out)} images that cannot be used ({listed(left_out)}).")
    if cfg.stage1 is not None:
        lineage = read_manifest(cfg.stage1, "stage1")
        manifest.write(stage1={key: lineage.get(key) for key in ("commit", "seed", "data")})
    try:
        yield manifest
    except Interrupted as stop:
        manifest.write(status="interrupted")
        if cfg.trainer.get("requeue") and stop.number != signal.SIGINT:
            requeue()
        raise
    except Pruned:
        manifest.write(status=PRUNED)
        raise
    except BaseException as error:
        manifest.fail(f"{type(error).__name__}: {error}")
        raise
    manifest.write(status="done")


def progress(cfg: DictConfig) -> StageProgress:
    """The display of this run's stages."""
    steps = {stage: cfg.schedule[stage].steps for stage in STAGES if stage in cfg.stages}
    return StageProgress(steps, shown=cfg.trainer.progress)


@rank_zero_only
def publish(
    cfg: DictConfig,
    folder: Path,
    stage: RestorationStage,
    files: Dataset,
    loggers: list[Logger],
) -> None:
    """Save the model, measure it on held-out photographs and draw pictures of them."""
    device = hardware.device(cfg)
    model = stage.to(device).eval().network
    save_model(folder / "model", model, build.architecture(cfg))
    sets = photographs.held_out(cfg, files)
    if not sets:
        return
    methods = {"bicubic": Interpolation("bicubic"), "mtlsr": resolver(model, Settings(device))}
    results = evaluate(sets, methods, Protocol.preset("literature", cfg.scale))
    results.write(folder)
    write_json(folder / "terms.json", held_out_terms(stage, sets))
    rows = []
    for pair in itertools.islice(itertools.chain(*sets), PICTURED):
        stem = Path(pair.name).stem
        versions = pictures.versions(model, pair, device)
        pictures.write_panel(folder / "pictures" / f"{stem}.png", versions)
        insights = pictures.insights(model, pair, device, photographs.strengths(cfg))
        if insights:
            pictures.write_panel(folder / "pictures" / f"{stem}_insights.png", insights)
        rows.append((stem, versions))
    log_panels(loggers, rows)
    Console().print(rich_table(sheet(results)))


@rank_zero_only
def advise(cfg: DictConfig, folder: Path) -> None:
    """Say where everything is and what to type next."""
    shown = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    lines = [f"Everything is in {shown}. Next:"]
    if "restoration" in cfg.stages:
        lines.append(f"  python -m mtlsr.predict model={shown} input=<photograph> output=<folder>")
        if build.single_task(cfg) is None:
            lines.append("  python -m mtlsr.train -m loss.lambda2=0.1,0.5")
    else:
        lines.append(f"  python -m mtlsr.train 'stages=[restoration]' stage1={shown}")
    for line in lines:
        announce(line)


def _generator(config: Any) -> str:
    """Kind of stage 1's generator, which settles what the realism vector's entries are."""
    kind: str = config["degradation"]["realism"].get("name", "classical")  # earlier runs name none
    return kind


def _summary(architecture: dict[str, Any]) -> str:
    names = "/".join(str(part["name"]) for part in architecture.values() if isinstance(part, dict))
    return f"{names} ×{architecture['scale']} {architecture}"
