"""The life of a sweep: what it goes on from, what a job of it is told, how it ends."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console

from mtlsr.errors import UserError
from mtlsr.runs.life import plain
from mtlsr.runs.manifest import NAME as MANIFEST
from mtlsr.runs.manifest import read_manifest
from mtlsr.runs.pairwise.selection import find_measures
from mtlsr.runs.recorded import RESULTS
from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.jobs import COMMAND, Job, expanded
from mtlsr.sweeps.variants import find_baseline, variants

SHELF = "stage1"
"""Folder of a sweep that holds what its jobs share."""

TAG = 64
"""Characters that W&B allows a tag."""

INDIFFERENT = ("folder", "cache", "resume", "sweep", "logger", "trainer.progress")
"""Keys that change nothing of what a job finds out."""


@contextmanager
def sweeping(cfg: DictConfig, folder: Path, jobs: Sequence[Sequence[str]]) -> Iterator[None]:
    """Around a sweep: refuse one that has no answer or is another one's; report, however it ends.

    Args:
        cfg: The first job's configuration.
        folder: The sweep's.
        jobs: The overrides of every job.

    Raises:
        UserError: `sweep.baseline` or `sweep.metrics` is unknown, `sweep.resume` names no sweep, or
            another one; or not every job is done.
    """
    from mtlsr.sweeps.report import report  # a single run, which comes through here, has none

    _check_reported(cfg, folder, jobs)
    if cfg.sweep.resume is not None:
        _check_same(Path(cfg.sweep.resume), jobs)
    try:
        yield
    finally:
        if folder.is_dir():
            found = report([folder], cfg.sweep.baseline, cfg.sweep.metrics, folder)
    if not found.complete:
        left = sum(not job.done for job in found.jobs)
        raise UserError(
            f"{left} of {len(found.jobs)} jobs are not done. The same command goes on with them: "
            f"sweep.resume={folder}"
        )


def job(cfg: DictConfig) -> DictConfig | None:
    """What a job of the command line has to train; None if that is done already.

    Raises:
        ConfigError: The job's folder holds another training, or there is no sweep to go on with.
    """
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        if cfg.sweep.resume is not None:
            raise ConfigError("sweep.resume is given, but this is no sweep: -m is missing.")
        return cfg
    _label(cfg, Path(hydra.sweep.dir), hydra.overrides.task)
    if cfg.sweep.stage1 is None:
        cfg.sweep.stage1 = str(Path(hydra.sweep.dir).absolute() / SHELF)
    folder = Path(cfg.folder)
    if not (folder / MANIFEST).is_file():
        return cfg
    # The sweep goes on, or SLURM took the job away and gives it back.
    manifest = read_manifest(folder, "sweep.resume")
    _check_config(folder, manifest["config"], plain(cfg))
    if manifest["status"] == "done" and _whole(folder, cfg):
        Console().print(f"Done already: {folder}", highlight=False, markup=False, soft_wrap=True)
        return None
    cfg.resume = str(folder)
    return cfg


def _label(cfg: DictConfig, sweep: Path, overrides: Sequence[str]) -> None:
    """Tell W&B which runs belong together, and what each of them tries."""
    if "wandb" not in cfg.logger:
        return
    labels = {
        "group": sweep.name,
        "job_type": "+".join(cfg.stages),
        "tags": [override[:TAG] for override in _own(overrides)],
    }
    with open_dict(cfg.logger):
        cfg.logger.wandb.update(labels)


def _check_reported(cfg: DictConfig, folder: Path, jobs: Sequence[Sequence[str]]) -> None:
    """Refuse what the report would stumble over when all jobs are done."""
    find_measures(cfg.sweep.metrics)
    planned = [Job(i, folder / str(i), folder, tuple(given)) for i, given in enumerate(jobs)]
    find_baseline(variants(planned), cfg.sweep.baseline)


def _check_same(folder: Path, jobs: Sequence[Sequence[str]]) -> None:
    """Refuse a folder of another command: its jobs would be mixed with ours."""
    path = folder / COMMAND
    if not path.is_file():
        raise ConfigError(f"sweep.resume is {str(folder)!r}, which is no sweep: no {COMMAND}.")
    arguments = OmegaConf.to_container(OmegaConf.load(path).hydra.overrides.task)
    theirs = [_own(job) for job in expanded(arguments)]  # type: ignore[arg-type]
    ours = [_own(job) for job in jobs]
    if theirs != ours:
        said = f"it has {len(theirs)} jobs, and this {len(ours)}"
        for a, b in zip(theirs, ours, strict=False):
            if a != b:
                own, other = ([o for o in x if o not in y] for x, y in ((a, b), (b, a)))
                said = f"it has {' '.join(own) or 'nothing'} where this has {' '.join(other)}"
                break
        raise ConfigError(f"sweep.resume is {str(folder)!r}, the sweep of another command: {said}.")


def _own(overrides: Sequence[str]) -> list[str]:
    """Overrides that make a job what it is."""
    return [o for o in overrides if not o.startswith(("sweep.", "hydra.", "hydra/"))]


def _check_config(folder: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Refuse a job that was another one: the files under conf/ may have changed."""
    stored, wanted = (_flat(_without(config)) for config in (theirs, ours))
    for name in dict.fromkeys([*wanted, *stored]):
        if stored.get(name) != wanted.get(name):
            raise ConfigError(
                f"{folder} was begun with {name}={stored.get(name)}; now it is "
                f"{wanted.get(name)}. A new sweep is needed."
            )


def _whole(folder: Path, cfg: DictConfig) -> bool:
    """Whether a finished run still has what it found out."""
    needed = [RESULTS, "model/model.safetensors"] if "restoration" in cfg.stages else [MANIFEST]
    return all((folder / name).is_file() for name in needed)


def _without(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = OmegaConf.create(dict(config))
    for name in INDIFFERENT:
        parent, _, last = name.rpartition(".")
        node: Any = OmegaConf.select(kept, parent) if parent else kept
        node.pop(last, None)
    return OmegaConf.to_container(kept)  # type: ignore[return-value]


def _flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted names."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
