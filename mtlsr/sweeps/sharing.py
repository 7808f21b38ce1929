"""One stage 1 for all jobs that would train the same one."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger
from rich.console import Console

from mtlsr.files import read_csv, write_json
from mtlsr.networks.folder import WEIGHTS, model_folder
from mtlsr.runs.checkpoints import folder_of
from mtlsr.runs.manifest import CODE, Manifest
from mtlsr.runs.tracking import METRICS
from mtlsr.sweeps.settings import INDIFFERENT

RECORD = "stage1.json"
CHECKPOINTS = "checkpoints"

UNKNOWN = (
    *INDIFFERENT, "name", "schedule.restoration", "freeze_realism",
    "loss.lambda1", "loss.lambda2", "loss.lambda3", "loss.lambda4", "loss.adversarial",
    "loss.smoothness.output", "loss.smoothness.luma", "loss.smoothness.reconstruction",
    "loss.smoothness.consistency", "loss.realism.start", "loss.realism.statistic",
    "loss.realism.average", "loss.realism.window", "loss.structure.map",
)  # fmt: skip
"""What stage 1 knows nothing of. All else counts, so that a new key is never forgotten."""


@contextmanager
def shared_stage1(
    cfg: DictConfig, folder: Path, manifest: Manifest, loggers: Sequence[Logger]
) -> Iterator[None]:
    """Around the training of stage 1: take a finished one where there is one, else leave it.

    A stage 1 is the same where its configuration, seed, photographs, code, packages and hardware
    are. Whoever comes first trains it; others wait, also in other processes, and copy its
    checkpoints, which are verified by their hashes: they go on, bit for bit, as if they had trained
    it. Who dies while training or copying leaves nothing. One that was begun on other code or
    hardware than it ended on is nobody else's: it has no key.

    Args:
        cfg: A training's configuration. Without `sweep.stage1` nothing is shared, nor where several
            processes train together: each of them would wait for the first.
        folder: The run's.
        manifest: Takes the lineage.
        loggers: Are told what the other job logged in stage 1.
    """
    if cfg.sweep.stage1 is None:
        yield
        return
    own = folder_of(folder, "realism")
    begun = own.is_dir() and any(own.iterdir())
    further = folder_of(folder, "restoration").is_dir()
    name = key(manifest)
    if cfg.trainer.devices * cfg.trainer.num_nodes > 1:
        with _labelled(manifest, folder, name, begun):
            yield
        return
    shelf = Path(cfg.sweep.stage1) / name
    shelf.parent.mkdir(parents=True, exist_ok=True)
    with _locked(shelf):
        record = _verified(shelf)
        if record is not None and not begun:
            # Noted first: whoever dies after the copy has to know whose it is.
            manifest.write(stage1={"key": name, "trained_by": record["run"], **record["lineage"]})
            _repeat(shelf / METRICS, loggers)
            _copy(shelf / CHECKPOINTS, own)
            yield
            return
        if begun and _of_another(manifest, folder):
            yield
            return
        with _labelled(manifest, folder, name, begun) as whole:
            yield
        if whole and record is None and not further:
            _publish(shelf, folder, manifest)


def _of_another(manifest: Manifest, folder: Path) -> bool:
    """Whether the stage 1 that a run holds is a copy of another run's."""
    noted = manifest.values.get("stage1")
    return noted is not None and Path(noted["trained_by"]).resolve() != folder.resolve()


@contextmanager
def _labelled(manifest: Manifest, folder: Path, name: str, begun: bool) -> Iterator[bool]:
    """Around a training of stage 1: note whose it is; say whether all of it is what `name` says."""
    noted = manifest.values.get("stage1") or {}
    whole = not begun or noted.get("key") == name
    own = {"key": name if whole else None, "trained_by": str(folder)}
    manifest.write(stage1={**own, **_lineage(manifest)})
    yield whole
    manifest.write(stage1={**own, **_lineage(manifest)})  # now with its seconds


def key(manifest: Manifest) -> str:
    """16 hexadecimal characters that tell one stage 1 from another."""
    values = manifest.values
    config = OmegaConf.create(values["config"])
    for name in UNKNOWN:
        parent, _, last = name.rpartition(".")
        node: Any = OmegaConf.select(config, parent) if parent else config
        if node is not None and last in node:
            del node[last]
    if "realism" not in config.balancing.stages:
        del config["balancing"]
    config["stages"] = ["realism"]
    if config.init is not None:
        config["init"] = _hash(model_folder(config.init) / WEIGHTS)
    made_of = {name: values[name] for name in ("data", *CODE, "versions", "hardware")}
    whole = json.dumps({"config": OmegaConf.to_container(config), **made_of}, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


@contextmanager
def _locked(shelf: Path) -> Iterator[None]:
    lock = FileLock(shelf.with_name(f"{shelf.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        Console().print("Another job trains this stage 1; waiting for it.", highlight=False)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _verified(shelf: Path) -> dict[str, Any] | None:
    """The record of a finished stage 1; None if there is none, or a file is not what it was."""
    try:
        record: dict[str, Any] = json.loads((shelf / RECORD).read_text(encoding="utf-8"))
        whole = all(_hash(shelf / name) == digest for name, digest in record["files"].items())
    except (OSError, ValueError, KeyError):
        return None
    return record if whole else None


def _publish(shelf: Path, folder: Path, manifest: Manifest) -> None:
    """Put a finished stage 1 onto its shelf, completely or not at all."""
    unfinished = shelf.with_name(f".{shelf.name}.{os.getpid()}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(folder_of(folder, "realism"), unfinished / CHECKPOINTS)
    if (folder / METRICS).is_file():
        shutil.copy(folder / METRICS, unfinished / METRICS)
    files = [path for path in sorted(unfinished.rglob("*")) if path.is_file()]
    record = {
        "run": str(folder),
        "lineage": _lineage(manifest),
        "files": {path.relative_to(unfinished).as_posix(): _hash(path) for path in files},
    }
    write_json(unfinished / RECORD, record)
    shutil.rmtree(shelf, ignore_errors=True)
    unfinished.rename(shelf)


def _copy(source: Path, target: Path) -> None:
    """Copy a folder, completely or not at all."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.copytree(source, unfinished)
    unfinished.rename(target)


def _lineage(manifest: Manifest) -> dict[str, Any]:
    values = manifest.values
    seconds = {"seconds": values["seconds"].get("realism")}
    return {name: values[name] for name in ("commit", "seed", "data")} | seconds


def _repeat(path: Path, loggers: Sequence[Logger]) -> None:
    """Log what the other job logged."""
    if not path.is_file():
        return
    for row in read_csv(path):
        step = int(row.pop("step"))
        values = {name: float(value) for name, value in row.items() if value}
        for logger in loggers:
            logger.log_metrics(values, step)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
