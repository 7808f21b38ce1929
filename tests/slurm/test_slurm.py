"""A sweep on a real SLURM of one node: `make test-slurm` installs what it needs."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import QUICK
from tests.slurm.cluster import ask, cluster, lacking

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(lacking()), reason=f"not installed: {', '.join(lacking())}"),
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start a SLURM"),
]

ROOT = Path(__file__).resolve().parents[2]
JOBS = 3
PATIENCE = 1800
"""Seconds until everything must be over."""


def test_a_sweep_goes_through_slurm_with_one_job_taken_away_and_given_back(
    tmp_path, cache, small_photographs
):
    data = ["dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=1"]
    given = [*QUICK, *data, f"cache={cache}", "logger=csv", "loss.lambda2=0.1,0.5,0.7"]
    given += ["schedule.restoration.steps=40", "trainer.checkpoint.steps=1"]
    queued = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=p"]
    queued += [f"hydra.launcher.{key}" for key in ("gpus_per_node=null", "mem_gb=2")]
    queued += ["hydra.launcher.cpus_per_task=1", "hydra.launcher.array_parallelism=1"]
    command = [sys.executable, "-m", "mtlsr.train", "-m", *given]
    (tmp_path / "slurm").mkdir()
    with cluster(tmp_path / "slurm") as environment:
        environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        sweep = subprocess.Popen(
            [*command, *queued, "hydra.sweep.dir=queued"], cwd=tmp_path, env=environment
        )
        try:
            taken = _take_away(tmp_path / "queued" / "1", environment)
            assert sweep.wait(PATIENCE) == 0
        finally:
            ask(environment, "scancel", "--user=root")
            sweep.kill()
            sweep.wait()
        assert taken in ask(environment, "scontrol", "show", "job", taken, "-o")
        restarts = ask(environment, "scontrol", "show", "job", taken, "-o")
        assert "Restarts=1" in restarts and "JobState=COMPLETED" in restarts
    alone = [*command, "hydra.sweep.dir=alone"]
    subprocess.run(alone, cwd=tmp_path, check=True, env={**environment, "SLURM_CONF": ""})
    for number in range(JOBS):
        queued_job, own = (tmp_path / name / str(number) for name in ("queued", "alone"))
        manifest = json.loads((queued_job / "manifest.json").read_text())
        assert manifest["status"] == "done"
        assert ("resumed" in manifest) == (number == 1)
        assert (queued_job / "results.json").read_bytes() == (own / "results.json").read_bytes()


def _take_away(job: Path, environment: dict[str, str]) -> str:
    """Requeue the SLURM job of a sweep's job as soon as it has trained a little of stage 2."""
    late = time.monotonic() + PATIENCE
    while not list(job.glob("checkpoints/restoration/last.ckpt")):
        assert time.monotonic() < late, "the job did not begin"
        time.sleep(0.2)
    manifest = json.loads((job / "manifest.json").read_text())
    number = manifest["environment"]["SLURM_JOB_ID"]
    assert ask(environment, "scontrol", "requeue", number) == ""
    return str(number)
