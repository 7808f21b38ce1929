"""The jobs of a sweep: from what they left, or from its command where they did not begin."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from mtlsr.runs.command import ERROR
from mtlsr.runs.manifest import NAME as MANIFEST
from mtlsr.runs.pruning import PRUNED
from mtlsr.runs.recorded import RESULTS, Recorded, read
from mtlsr.runs.schema import ConfigError

COMMAND = "multirun.yaml"
"""What Hydra writes when a sweep begins."""

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
        ending = ENDINGS.get(self.manifest.get("status", ""))
        if self.error is not None and ending != "done":
            return "failed"
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
        return OmegaConf.to_container(OmegaConf.load(path)) if path.is_file() else {}  # type: ignore[return-value]

    @property
    def given(self) -> dict[str, str]:
        """Its overrides by key."""
        pairs = (override.partition("=") for override in self.overrides)
        return {key.lstrip("+~"): value for key, _, value in pairs}

    def value(self, key: str) -> str:
        """What a key of the command line has here; "" if it is not known."""
        if key in self.given:
            return self.given[key]
        if key in self.choices:
            return "null" if self.choices[key] is None else str(self.choices[key])
        found: Any = self.config
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        return "" if found is None else str(found)

    @property
    def failure(self) -> str:
        """Why it failed, in a line; "" if it did not."""
        if self.status != "failed":
            return ""
        lines = (self.error or self.manifest.get("error") or "").strip().splitlines()
        return lines[-1].strip() if lines else "it did not say why"


def collect(sweep: Path) -> list[Job]:
    """Every job of a sweep's folder, in the order of the command line.

    Raises:
        ConfigError: It is no sweep's folder, or a job's files are damaged.
    """
    if not sweep.is_dir():
        raise ConfigError(f"sweep is {str(sweep)!r}, which is no folder.")
    jobs = [_read(folder, sweep) for folder in _folders(sweep)]
    begun = {job.number for job in jobs}
    for number, overrides in enumerate(_planned(sweep)):
        if number not in begun:
            jobs.append(Job(number, sweep / str(number), sweep, overrides))
    if not jobs:
        raise ConfigError(f"sweep is {str(sweep)!r}, which holds no jobs of a sweep.")
    return sorted(jobs, key=lambda job: job.number)


def _folders(sweep: Path) -> Iterator[Path]:
    """Folders of jobs, at any depth: the user chooses their names."""
    for path in sweep.rglob(".hydra/overrides.yaml"):
        if path.parents[1] != sweep:
            yield path.parents[1]


def _planned(sweep: Path) -> list[tuple[str, ...]]:
    """The overrides of every job that the command asked for; none where it is not known."""
    path = sweep / COMMAND
    if not path.is_file():
        return []
    arguments = OmegaConf.to_container(OmegaConf.load(path).hydra.overrides.task)
    return [tuple(job) for job in expanded(arguments)]  # type: ignore[arg-type]


def expanded(arguments: Sequence[str]) -> list[list[str]]:
    """The overrides of each job of a sweep's command line, as Hydra's own sweeper has them."""
    overrides = OverridesParser.create().parse_overrides(list(arguments))
    return [list(job) for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]


def _read(folder: Path, sweep: Path) -> Job:
    hydra = OmegaConf.load(folder / ".hydra" / "hydra.yaml").hydra
    overrides = OmegaConf.to_container(OmegaConf.load(folder / ".hydra" / "overrides.yaml"))
    choices = OmegaConf.to_container(hydra.runtime.choices)
    path, error = folder / MANIFEST, folder / ERROR
    try:
        manifest = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as damaged:
        raise ConfigError(f"{path} is damaged: {damaged}.") from damaged
    finished = manifest.get("status") == "done" and (folder / RESULTS).is_file()
    return Job(
        hydra.job.num,
        folder,
        sweep,
        tuple(map(str, overrides)),  # type: ignore[arg-type]
        {str(key): value for key, value in choices.items()},  # type: ignore[union-attr]
        manifest,
        read(folder) if finished else None,
        error.read_text(encoding="utf-8") if error.is_file() else None,
    )
