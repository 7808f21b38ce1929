"""manifest.json: what a run was made of, so that it can be explained and rebuilt."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mtlsr.files import write_json
from mtlsr.runs.schema import ConfigError

NAME = "manifest.json"
CHECKOUT = Path(__file__).resolve().parents[2]
ENVIRONMENT = (
    "CUBLAS_WORKSPACE_CONFIG", "CUDA_VISIBLE_DEVICES", "MKL_NUM_THREADS", "NODE_RANK",
    "OMP_NUM_THREADS", "PYTHONHASHSEED", "SLURM_JOB_ID", "SLURM_NNODES", "SLURM_NTASKS",
    "TORCHELASTIC_RUN_ID", "WANDB_MODE", "WORLD_SIZE",
)  # fmt: skip
"""Variables that may go on record: what shapes a computation, and nothing that could be secret."""

CODE = ("commit", "diff", "untracked")
"""What of a manifest says which code ran."""


def read_manifest(folder: str | Path, key: str) -> dict[str, Any]:
    """The manifest of a run folder that `key` of the configuration names.

    Raises:
        ConfigError: The folder holds none.
    """
    path = Path(folder) / NAME
    try:
        return dict(json.loads(path.read_text()))
    except ValueError as error:
        raise ConfigError(f"{key} is {str(folder)!r}, whose {NAME} is damaged: {error}.") from error
    except OSError as error:
        raise ConfigError(
            f"{key} is {str(folder)!r}, which is no run folder: no {NAME}."
        ) from error


class Manifest:
    """The manifest of a run, written anew whenever something becomes known.

    Args:
        folder: The run's folder.
        config: The composed configuration as plain values.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.path = folder / NAME
        self.values: dict[str, Any] = {
            "status": "running",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
            **describe(config),
            "config": config,
            "seconds": {},
        }
        if self.path.exists():
            earlier = json.loads(self.path.read_text())
            self.values["started"] = earlier["started"]
            self.values["seconds"] = earlier.get("seconds", {})
            self.values["resumed"] = [*earlier.get("resumed", []), earlier.get("status")]
            part = {name: earlier.get(name) for name in (*CODE, "hardware")}
            other = any(value != self.values[name] for name, value in part.items())
            self.values["parts"] = [*earlier.get("parts", []), *([part] if other else [])]
            if "stage1" in earlier:  # a run that goes on in stage 2 does not look for it again
                self.values["stage1"] = earlier["stage1"]
        self.write()

    def write(self, **values: Any) -> None:
        """Note `values` and write the file."""
        self.values.update(values)
        self._save()

    def fail(self, said: str) -> None:
        """Note that the run failed, and why; only that it did where there is no room for more."""
        try:
            self.write(status="failed", error=said)
        except OSError:
            with suppress(OSError):
                self._fail_in_place()

    @rank_zero_only
    def _fail_in_place(self) -> None:
        """A full disk takes no new file, but what stands in an old one may be written over."""
        running, failed = b'"status": "running"', b'"status": "failed" '
        with self.path.open("r+b") as file:
            if (where := file.read().find(running)) >= 0:
                file.seek(where)
                file.write(failed)

    @rank_zero_only
    def _save(self) -> None:
        write_json(self.path, self.values)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Note how many seconds the block took."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = self.values["seconds"].get(what, 0) + time.perf_counter() - start
            self.values["seconds"][what] = round(seconds, 2)
        self.write()


def commit() -> str | None:
    """The commit of the checkout that the code runs from, where it is one."""
    return _git("rev-parse", "HEAD")


def describe(config: dict[str, Any]) -> dict[str, Any]:
    """What a run of `config` would be made of here, but for its photographs.

    Its code is as it was when this process first asked: what has been imported stays.
    """
    return {
        "seed": config.get("seed"),
        "commit": commit(),
        "diff": _git("diff", "HEAD"),
        "untracked": _untracked(),
        "versions": {"python": platform.python_version(), **_versions()},
        "hardware": hardware(),
        "environment": {name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
    }


def _versions() -> dict[str, str]:
    """The exact version of every installed package."""
    found = {each.metadata["Name"]: each.version for each in distributions()}
    return {name: found[name] for name in sorted(filter(None, found), key=str.lower)}


def hardware() -> dict[str, Any]:
    """What this process computes on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": platform.processor() or platform.machine(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
    }


@cache
def _untracked() -> dict[str, str]:
    """Files of code that git does not know -> the SHA-256 of each."""
    where = ("mtlsr/*.py", "conf/*.yaml", "experiments/*.py")
    names = _git("ls-files", "-z", "--others", "--exclude-standard", "--", *where) or ""
    found = {}
    for name in filter(None, names.split("\0")):
        with suppress(OSError):  # an editor's lock, a link that leads nowhere, or gone by now
            found[name] = sha256((CHECKOUT / name).read_bytes()).hexdigest()
    return found


@cache
def _git(*arguments: str) -> str | None:
    """Ask git about the checkout that this package runs from; None outside of one."""
    if not (CHECKOUT / ".git").exists():
        return None
    try:
        asked = subprocess.run(
            ["git", "-C", str(CHECKOUT), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() if asked.returncode == 0 else None
