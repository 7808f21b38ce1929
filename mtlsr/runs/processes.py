"""Several processes that train together: who started them, and that nothing of them stays behind.

Torch is imported only where it is needed: every command reads this file before it does anything.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import open_dict, read_write

PATIENCE = 60
"""Seconds that a process of a job that has ended may take to end, too."""

children: list[subprocess.Popen[bytes]] = []
"""What the job that is on has started to train with it."""


def started_elsewhere() -> int | None:
    """This process's number where torchrun or SLURM started it with others; else None."""
    names = [("TORCHELASTIC_RUN_ID", "RANK", "WORLD_SIZE")]
    names += [("SLURM_STEP_ID", "SLURM_PROCID", "SLURM_NTASKS")]
    for sign, rank, world in names:
        if sign in os.environ and int(os.environ.get(world, "1")) > 1:
            return int(os.environ.get(rank, "0"))
    return None


@contextmanager
def job_alone() -> Iterator[None]:
    """Keep what a job does to this process, its group and its variables, away from the next one.

    Lightning starts further processes with this one's command line; a sweep's would start the
    sweep again, so the line becomes the one of this job.
    """
    arguments, variables = sys.argv[:], dict(os.environ)
    hydra: Any = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        own = [each for each in hydra.overrides.task if not each.startswith("sweep.resume=")]
        sys.argv[1:] = [*own, "hydra.mode=RUN"]
        with read_write(hydra), open_dict(hydra):
            hydra.run.dir = hydra.runtime.output_dir
    try:
        yield
    finally:
        end_together()
        sys.argv[:] = arguments
        os.environ.clear()
        os.environ.update(variables)


def end_together() -> None:
    """Leave the process group and wait for the processes that this one started."""
    from mtlsr.objective.ranks import leave_group

    leave_group()
    late = time.monotonic() + PATIENCE
    for child in children:
        try:
            child.wait(max(0.0, late - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    children.clear()
