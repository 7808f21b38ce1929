"""Folders of sweeps as Hydra and trainings leave them, of figures that a test chooses."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from omegaconf import OmegaConf

from tests.measured import Figures, write_results


def write_sweep(folder: Path, *arguments: str) -> Path:
    """What Hydra writes when a sweep of this command begins."""
    folder.mkdir(parents=True)
    stored = {"hydra": {"overrides": {"task": list(arguments)}}}
    OmegaConf.save(OmegaConf.create(stored), folder / "multirun.yaml")
    return folder


def write_job(
    sweep: Path,
    number: int,
    overrides: Sequence[str],
    figures: Figures | None = None,
    status: str | None = "done",
    config: Mapping[str, object] | None = None,
    choices: Mapping[str, str | None] | None = None,
    name: str | None = None,
    **manifest: object,
) -> Path:
    """A job that began; without `status` it has no manifest, without `figures` no results."""
    folder = sweep / (name or str(number))
    hydra = {"hydra": {"job": {"num": number}, "runtime": {"choices": dict(choices or {})}}}
    (folder / ".hydra").mkdir(parents=True)
    OmegaConf.save(OmegaConf.create(hydra), folder / ".hydra" / "hydra.yaml")
    OmegaConf.save(OmegaConf.create(list(overrides)), folder / ".hydra" / "overrides.yaml")
    composed = {"seed": 0, **(config or {})}
    OmegaConf.save(OmegaConf.create(composed), folder / ".hydra" / "config.yaml")
    if status is not None:
        stored = {
            "status": status,
            "config": composed,
            "seconds": {"restoration": 60.0},
            **manifest,
        }
        (folder / "manifest.json").write_text(json.dumps(stored))
    if figures is not None:
        write_results(folder, figures)
    return folder
