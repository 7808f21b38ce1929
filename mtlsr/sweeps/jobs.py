"""The jobs of a sweep: from what they left, or from its command where they did not begin."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mtlsr.runs.command import ERROR, expanded
from mtlsr.runs.manifest import NAME as MANIFEST
from mtlsr.runs.pruning import PRUNED
from mtlsr.runs.recorded import RESULTS, Recorded, read
from mtlsr.runs.schema import ConfigError, plain
from mtlsr.sweeps import settings

COMMAND = "multirun.yaml"
"""What Hydra writes when a sweep begins."""

STUDY = "study.db"
"""Optuna's storage, in the folder of a search."""

ENDINGS = {
    "done": "done",
    "failed": "failed",
    "interrupted": "interrupted",
    PRUNED: "pruned",
    "running": "unfinished",  # still at work, or killed
}
"""What a manifest's status means for the sweep."""


@dataclass(frozen=True)
class Job:
    """One job."""

    number: int
    """Its place in the command's order."""
    folder: Path
    sweep: Path
    overrides: tuple[str, ...]
    """What the command line chose for it: `key=value`."""
    within: str = ""
    """What its sweep is called."""
    choices: dict[str, Any] = field(default_factory=dict)
    """Which file of each group of the configuration; None: none of them."""
    manifest: dict[str, Any] = field(default_factory=dict)
    """Empty of a job that did not begin or failed before it wrote one."""
    results: Recorded | None = None
    """Figures of a job that is done; None also where nothing was held out."""
    error: str | None = None

    @property
    def name(self) -> str:
        """Its folder's name below the sweep's."""
        return self.folder.relative_to(self.sweep).as_posix()

    @property
    def status(self) -> str:
        """done, pruned, failed, interrupted, unfinished or not started."""
        if self.error is not None:
            return "failed"
        ending = ENDINGS.get(self.manifest.get("status", ""))
        if ending is not None:
            return ending
        return "unfinished" if self.folder.is_dir() else "not started"

    @property
    def done(self) -> bool:
        """Whether it came to its end."""
        return self.status == "done"

    @property
    def seconds(self) -> float:
        """How long it took, as far as it came; a stage 1 of another job counts as its own."""
        shared = (self.manifest.get("stage1") or {}).get("seconds") or 0.0
        own = self.manifest.get("seconds", {})
        return math.fsum(own.values()) + max(shared - own.get("realism", 0.0), 0.0)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its composed configuration; empty of a job that did not begin."""
        if self.manifest:
            return dict(self.manifest["config"])
        path = self.folder / ".hydra" / "config.yaml"
        return resolved(OmegaConf.load(path)) if path.is_file() else {}  # type: ignore[arg-type]

    @property
    def given(self) -> dict[str, str]:
        """Its overrides by key."""
        pairs = (override.partition("=") for override in self.overrides)
        return {key.lstrip("+~"): value for key, _, value in pairs}

    def value(self, key: str) -> str:
        """What a key of the command line has here, as `settings.text` writes it; "" if unknown."""
        if key in self.given:
            return settings.read(self.given[key])
        found: Any = self.choices if key in self.choices else self.config
        for part in [key] if key in self.choices else key.split("."):
            if not isinstance(found, dict) or part not in found:
                return ""
            found = found[part]
        return settings.text(found)

    @property
    def failure(self) -> str:
        """Why it failed, in a line; "" if it did not."""
        if self.status != "failed":
            return ""
        lines = (self.error or self.manifest.get("error") or "").strip().splitlines()
        return lines[-1].strip() if lines else "it did not say why"


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """A composed configuration as a manifest has it, but for `folder`, which Hydra alone knows."""
    known = cfg.copy()
    OmegaConf.update(known, "folder", "")
    return plain(known)


def collect(sweep: Path, called: str | None = None) -> list[Job]:
    """Every job of a sweep's folder, in the order of the command line.

    Args:
        sweep: The folder.
        called: What the sweep is called; None: as the folder.

    Raises:
        ConfigError: It is no sweep's folder.
    """
    if not sweep.is_dir():
        raise ConfigError(f"sweep is {str(sweep)!r}, which is no folder.")
    if not (sweep / COMMAND).is_file() and (inside := list(sweep.rglob(COMMAND))):
        raise ConfigError(
            f"sweep is {str(sweep)!r}, which is no sweep but holds some: sweep="
            f"{','.join(sorted(str(path.parent) for path in inside))} reports on them together."
        )
    within = called or sweep.resolve().name
    jobs = [_read(folder, sweep, within) for folder in _folders(sweep)]
    begun = {job.number for job in jobs}
    for number, overrides in enumerate(planned(sweep)):
        if number not in begun:
            jobs.append(Job(number, sweep / str(number), sweep, tuple(overrides), within))
    if not jobs:
        raise ConfigError(f"sweep is {str(sweep)!r}, which holds no jobs of a sweep.")
    return sorted(jobs, key=lambda job: job.number)


def _folders(sweep: Path) -> Iterator[Path]:
    """Folders of jobs, at any depth: the user chooses their names."""
    for path in sweep.rglob(".hydra/overrides.yaml"):
        if path.parents[1] != sweep:
            yield path.parents[1]


def planned(sweep: Path) -> list[list[str]]:
    """The overrides of every job that a sweep's command asked for; none where it is not known."""
    path = sweep / COMMAND
    if not path.is_file():
        return []
    return expanded([str(each) for each in OmegaConf.load(path).hydra.overrides.task])


def _read(folder: Path, sweep: Path, within: str) -> Job:
    """A job that has begun; one whose files are damaged has failed by that."""
    hydra = OmegaConf.load(folder / ".hydra" / "hydra.yaml").hydra
    if OmegaConf.is_missing(hydra.job, "num"):
        raise ConfigError(f"sweep is {str(sweep)!r}, but {folder} is a run, no job of a sweep.")
    overrides = OmegaConf.to_container(OmegaConf.load(folder / ".hydra" / "overrides.yaml"))
    choices = OmegaConf.to_container(hydra.runtime.choices)
    path, error = folder / MANIFEST, folder / ERROR
    manifest: dict[str, Any] = {}
    results = None
    said = error.read_text(encoding="utf-8") if error.is_file() else None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if manifest.get("status") == "done" and (folder / RESULTS).is_file():
            results = read(folder)
    except ConfigError as damaged:
        said = said or str(damaged)
    except ValueError as damaged:
        said = said or f"{path} is damaged: {damaged}."
    return Job(
        hydra.job.num,
        folder,
        sweep,
        tuple(map(str, overrides)),  # type: ignore[arg-type]
        within,
        {str(key): value for key, value in choices.items()},  # type: ignore[union-attr]
        manifest,
        results,
        said,
    )
