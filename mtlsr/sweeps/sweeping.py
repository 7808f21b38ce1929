"""The life of a sweep: what it goes on from, what a job of it is told, how it ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from rich.console import Console

from mtlsr.errors import UserError
from mtlsr.metrics.image_metrics import NAMES
from mtlsr.runs import photographs
from mtlsr.runs.announcing import announce
from mtlsr.runs.life import alone
from mtlsr.runs.manifest import NAME as MANIFEST
from mtlsr.runs.manifest import read_manifest
from mtlsr.runs.pairwise.selection import find_measures
from mtlsr.runs.recorded import read
from mtlsr.runs.schema import ConfigError, plain
from mtlsr.runs.starting import resumed
from mtlsr.sweeps.jobs import COMMAND, Job, collect, planned, resolved
from mtlsr.sweeps.settings import own, refuse_other
from mtlsr.sweeps.variants import find_baseline, variants

SHELF = "stage1"
"""Folder of a sweep that holds what its jobs share."""

TAG = 64
"""Characters that W&B allows a tag."""


@contextmanager
def sweeping(
    cfgs: Sequence[DictConfig], folder: Path, jobs: Sequence[Sequence[str]]
) -> Iterator[None]:
    """Around a sweep: refuse one that has no answer or is another one's; report, however it ends.

    Args:
        cfgs: The configuration of every job.
        folder: The sweep's.
        jobs: The overrides of every job.

    Raises:
        UserError: `sweep.baseline` or `sweep.metrics` is unknown, `sweep.resume` names no sweep,
            the folder is another one's, or was by other files under conf/; or not every job is
            done.
    """
    from mtlsr.sweeps.report import report  # a single run, which comes through here, has none

    cfg = cfgs[0]
    _check_reported(cfg, folder, jobs)
    _check_same(folder, jobs, asked=cfg.sweep.resume is not None)
    for begun in collect(folder) if (folder / COMMAND).is_file() else ():
        if begun.manifest:
            refuse_other(begun.folder, begun.config, resolved(cfgs[begun.number]))
    advice = f"The same command goes on with them: sweep.resume={folder}"
    with alone(folder):
        try:
            yield
        except KeyboardInterrupt:
            announce(advice)
            raise
        finally:
            if (folder / COMMAND).is_file():
                found = report([folder], cfg.sweep.baseline, cfg.sweep.metrics, folder)
    if not found.complete:
        left = sum(not job.done for job in found.jobs)
        raise UserError(f"{left} of {len(found.jobs)} jobs are not done. {advice}")


def job(cfg: DictConfig) -> DictConfig | None:
    """What a job of the command line has to train; None if that is done already.

    Raises:
        ConfigError: The job's folder holds another training, or there is no sweep to go on with.
    """
    hydra = HydraConfig.get()
    if hydra.mode != RunMode.MULTIRUN:
        if cfg.sweep.resume is not None:
            raise ConfigError("sweep.resume is given, but this is no sweep: -m is missing.")
        if (begun := resumed(cfg)) is not None:
            _check_asked(Path(begun), cfg, hydra.overrides.task)
        return cfg
    _label(cfg, Path(hydra.sweep.dir), hydra.overrides.task)
    if cfg.sweep.stage1 is None:
        cfg.sweep.stage1 = str(Path(hydra.sweep.dir).absolute() / SHELF)
    folder = Path(cfg.folder)
    if not (folder / MANIFEST).is_file():
        return cfg
    # The sweep goes on, or SLURM took the job away and gives it back.
    manifest = read_manifest(folder, "sweep.resume")
    refuse_other(folder, manifest["config"], plain(cfg))
    if manifest["status"] == "done" and _whole(folder, cfg):
        Console().print(f"Done already: {folder}", highlight=False, markup=False, soft_wrap=True)
        return None
    cfg.resume = str(folder)
    return cfg


def _check_asked(folder: Path, cfg: DictConfig, overrides: Sequence[str]) -> None:
    """Refuse overrides beside `resume` that would be lost: a run goes on as it was begun."""
    stored = OmegaConf.create(read_manifest(folder, "resume")["config"])
    path = folder / ".hydra" / "overrides.yaml"
    begun = list(OmegaConf.load(path)) if path.is_file() else []
    for override in own(overrides):
        key = override.partition("=")[0].lstrip("+~").replace("/", ".")
        had, has = OmegaConf.select(stored, key), OmegaConf.select(cfg, key)
        known = had is not None or override.endswith("=null")
        if override not in begun and not (known and had == has):
            was = "without it" if had is None else f"with {key}={had}"
            raise ConfigError(
                f"{override} would change nothing: {folder} was begun {was} and goes on so."
            )


def _label(cfg: DictConfig, sweep: Path, overrides: Sequence[str]) -> None:
    """Tell W&B which runs belong together, and what each of them tries."""
    if "wandb" not in cfg.logger:
        return
    labels = {
        "group": sweep.name,
        "job_type": "+".join(cfg.stages),
        "tags": [override[:TAG] for override in own(overrides)],
    }
    with open_dict(cfg.logger):
        cfg.logger.wandb.update(labels)


def _check_reported(cfg: DictConfig, folder: Path, jobs: Sequence[Sequence[str]]) -> None:
    """Refuse what the report would stumble over when all jobs are done."""
    check_metrics(cfg.sweep.metrics)
    future = [Job(i, folder / str(i), folder, tuple(given)) for i, given in enumerate(jobs)]
    find_baseline(variants(future), cfg.sweep.baseline)


def check_metrics(names: Sequence[str]) -> None:
    """Refuse measures that a training does not take.

    Raises:
        ConfigError: An unknown one, one of another kind, or none.
    """
    find_measures(names)
    other = [name for name in names if name not in NAMES]
    if other:
        raise ConfigError(
            f"sweep.metrics holds {', '.join(other)}; a training measures {', '.join(NAMES)}."
        )


def _check_same(folder: Path, jobs: Sequence[Sequence[str]], asked: bool) -> None:
    """Refuse a folder of another command: its jobs would be mixed with ours."""
    key = "sweep.resume" if asked else "hydra.sweep.dir"
    if not (folder / COMMAND).is_file():
        if asked:
            raise ConfigError(f"{key} is {str(folder)!r}, which is no sweep: no {COMMAND}.")
        return
    theirs, ours = ([sorted(own(job)) for job in each] for each in (planned(folder), jobs))
    if theirs != ours:
        said = f"it has {len(theirs)} jobs, and this {len(ours)}"
        if sorted(theirs) == sorted(ours):
            raise ConfigError(
                f"{key} is {str(folder)!r}, whose jobs these are in another order; give the "
                "command as it was."
            )
        for a, b in zip(theirs, ours, strict=False):
            if a != b:
                had = " ".join(each for each in a if each not in b) or "nothing"
                has = " ".join(each for each in b if each not in a) or "nothing"
                said = f"it has {had} where this has {has}"
                break
        raise ConfigError(f"{key} is {str(folder)!r}, the sweep of another command: {said}.")


def _whole(folder: Path, cfg: DictConfig) -> bool:
    """Whether a finished run still has what it found out."""
    if "restoration" not in cfg.stages:
        return True
    if not (folder / "model" / "model.safetensors").is_file():
        return False
    try:
        read(folder)
    except ConfigError:  # or there was nothing to find out
        return not photographs.held_out(cfg, photographs.dataset(cfg))
    return True
