"""A run's record from its first moment to its end, whichever that is, and its display."""

import errno
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mtlsr.data.datasets import Dataset
from mtlsr.data.inspection.screening import named
from mtlsr.errors import UserError
from mtlsr.runs import photographs
from mtlsr.runs.announcing import announce
from mtlsr.runs.command import ERROR
from mtlsr.runs.manifest import Manifest, read_manifest
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.pruning import PRUNED, Pruned
from mtlsr.runs.schema import STAGES, plain
from mtlsr.runs.slurm import requeue
from mtlsr.runs.stopping import Interrupted

LOCK = ".lock"
"""In a folder while a process is at work in it."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a disk says that has no room."""


@contextmanager
def recorded(cfg: DictConfig, folder: Path, files: Dataset) -> Iterator[Manifest]:
    """The run's manifest, with how it ended: done, failed or interrupted."""
    (folder / ERROR).unlink(missing_ok=True)  # of a sweep's earlier try
    manifest = Manifest(folder, plain(cfg))
    manifest.write(data=photographs.fingerprint(cfg, files))
    left_out = photographs.left_out(cfg, files)
    manifest.write(left_out=[str(error) for error in left_out])
    if left_out:
        announce(f"Left out: {len(left_out)} images that cannot be used ({named(left_out)}).")
    if cfg.stage1 is not None:
        lineage = read_manifest(cfg.stage1, "stage1")
        manifest.write(stage1={key: lineage.get(key) for key in ("commit", "seed", "data")})
    try:
        yield manifest
    except Interrupted as stop:
        manifest.write(status="interrupted")
        if cfg.trainer.requeue and stop.number != signal.SIGINT:
            requeue()
        raise
    except Pruned:
        manifest.write(status=PRUNED)
        raise
    except OSError as error:
        if error.errno not in FULL:
            manifest.fail(f"{type(error).__name__}: {error}")
            raise
        full = UserError(
            f"{str(folder)!r} cannot take more files ({error.strerror}); its checkpoints are as "
            f"they were. Make room and go on with: python -m mtlsr.train resume={folder}"
        )
        manifest.fail(str(full))
        raise full from error
    except BaseException as error:
        manifest.fail(f"{type(error).__name__}: {error}")
        raise
    (folder / ERROR).unlink(missing_ok=True)  # of a try that was refused in the meantime
    manifest.write(status="done")


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep a folder for this process and those that train with it.

    Raises:
        UserError: Another process is at work in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if getattr(rank_zero_only, "rank", 0):  # the first process has it
        yield
        return
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"Another process is at work in {str(folder)!r}.") from None
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # it holds something
            folder.rmdir()


def progress(cfg: DictConfig) -> StageProgress:
    """The display of this run's stages."""
    steps = {stage: cfg.schedule[stage].steps for stage in STAGES if stage in cfg.stages}
    return StageProgress(steps, shown=cfg.trainer.progress)
