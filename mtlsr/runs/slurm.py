"""SLURM: put a job that was asked to end back into the queue."""

import os
import subprocess

from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mtlsr.runs.announcing import announce


def job_id() -> str | None:
    """The job's number, of an array's task its own; None outside of a job."""
    if array := os.environ.get("SLURM_ARRAY_JOB_ID"):
        return f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID', '0')}"
    return os.environ.get("SLURM_JOB_ID")


@rank_zero_only
def requeue() -> None:
    """Ask SLURM to run this job again, and say what became of it; outside of a job, nothing."""
    job = job_id()
    if job is None:
        return
    try:
        asked = subprocess.run(
            ["scontrol", "requeue", job], capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        announce(f"SLURM job {job} could not be put back into the queue: {error}.")
        return
    if asked.returncode == 0:
        announce(f"SLURM job {job} is back in the queue.")
    else:
        announce(f"SLURM job {job} could not be put back into the queue: {asked.stderr.strip()}")
