"""Several processes by the real command: samples, losses, sweeps, and the death of one of them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mtlsr.runs.schema import STAGES
from tests.conftest import QUICK
from tests.same_runs import assert_same, logged

ROOT = Path(__file__).resolve().parents[1]
PLAN = [
    "trainer=ddp_cpu",
    "trainer.precision=32-true",
    "trainer.log_every=1",
    "trainer.checkpoint.steps=1",
    "schedule.realism.steps=6",
    "schedule.realism.validations=2",
    "schedule.restoration.validations=2",
]


@pytest.fixture
def given(cache, small_photographs):
    data = ["dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=1"]
    return [*QUICK, *data, f"cache={cache}", "logger=csv"]


@pytest.fixture
def start(given):
    """Start the command in a session of its own; nothing of it is left after the test."""
    running: list[subprocess.Popen] = []

    def call(
        folder: Path, *arguments: str, launcher: tuple[str, ...] = (), module: str = "mtlsr.train"
    ) -> subprocess.Popen:
        flags = [each for each in arguments if each.startswith("-")]
        own = [each for each in arguments if not each.startswith("-")]
        command = [sys.executable, *launcher, "-m", module, *flags, *given, *own]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, start_new_session=True, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        running.append(process)
        return process

    yield call
    for process in running:
        for pid in members(process.pid):
            os.kill(pid, signal.SIGKILL)


def members(session: int) -> list[int]:
    """Live processes of a session, but for W&B's."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def rank_pid(process: subprocess.Popen, rank: int) -> int | None:
    if rank == 0:
        return process.pid
    for pid in members(process.pid):
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"LOCAL_RANK={rank}".encode() in variables:
            return pid
    return None


def rows(folder: Path) -> int:
    path = folder / "metrics.csv"
    return len(path.read_text().splitlines()) if path.exists() else 0


def kill_rank(process: subprocess.Popen, rank: int, folder: Path, after: int) -> str | None:
    """Kill a rank when `after` more rows are logged; what the run said, None if it ended first."""
    target = rows(folder) + after
    while process.poll() is None and rows(folder) < target:
        time.sleep(0.02)
    pid = rank_pid(process, rank)
    if process.poll() is not None or pid is None:
        return None
    os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    while members(process.pid) and time.monotonic() - began < 60:
        time.sleep(0.2)
    assert not members(process.pid), "processes outlive the rank by more than a minute"
    return process.stderr.read()


def test_the_death_of_a_process_ends_the_training_with_a_sentence(start, tmp_path):
    process = start(tmp_path, *PLAN, "hydra.run.dir=run")
    said = kill_rank(process, 1, tmp_path / "run", after=4)
    assert process.wait() == 1
    assert "The training stopped: process 1 (PID " in said
    assert ") was killed by signal 9. Go on with: python -m mtlsr.train resume=" in said
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "was killed by signal 9" in manifest["error"]


@pytest.mark.slow
def test_ten_deaths_of_a_rank_leave_no_trace(start, tmp_path):
    assert start(tmp_path, *PLAN, "hydra.run.dir=straight").wait() == 0
    chance, deaths, runs = random.Random(0), [], 0
    while len(deaths) < 10:
        folder, plan = tmp_path / f"run{runs}", [*PLAN, f"hydra.run.dir=run{runs}"]
        while True:
            process = start(tmp_path, *plan)
            if len(deaths) < 10:
                rank = chance.randrange(2)
                said = kill_rank(process, rank, folder, after=chance.randint(1, 12))
                if said is not None:
                    assert "The training stopped" in said
                    deaths.append(rank)
                    plan = [f"resume={folder}"]
                    continue
            assert process.wait() == 0
            break
        assert_same(tmp_path / "straight", folder)
        runs += 1
    assert set(deaths) == {0, 1}


@pytest.mark.slow
def test_every_job_of_a_sweep_trains_with_two_processes(start, tmp_path):
    plan = [*PLAN, "logger=wandb", "hydra.sweep.dir=sweep"]
    process = start(tmp_path, "-m", *plan, "loss.lambda2=0.1,0.5")
    said = process.communicate()[1]
    assert process.returncode == 0, said[-3000:]
    manifests = [
        json.loads((tmp_path / "sweep" / job / "manifest.json").read_text()) for job in "01"
    ]
    assert [each["config"]["loss"]["lambda2"] for each in manifests] == [0.1, 0.5]
    assert [each["status"] for each in manifests] == ["done", "done"]
    runs = {path.name.rsplit("-", 1)[1] for path in tmp_path.glob("sweep/*/wandb/offline-run-*")}
    assert len(runs) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == [
        "0",
        "1",
    ]
    assert not members(process.pid)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "rates", "losses", "weights"),
    [
        ("tests.in_double", [], 1e-13, 1e-11),
        # At the default rate AdamW makes whole steps of gradients that are rounding errors: by step
        # 10 losses are 4e-5 apart, and so they are where one process adds up two halves of a batch.
        ("mtlsr.train", [f"schedule.{stage}.lr=1e-4" for stage in STAGES], 1e-5, 1e-4),
    ],
    ids=["float64", "float32"],
)
def test_two_processes_do_what_one_does_with_twice_the_batch(
    start, tmp_path, module, rates, losses, weights
):
    plan = [
        "trainer.precision=32-true", "trainer.log_every=1", "schedule.realism.steps=50",
        "schedule.restoration.steps=50", "dataset.holdout=0", *rates,
    ]  # fmt: skip
    for trainer, batch in (("cpu", 16), ("ddp_cpu", 8)):
        batches = [f"schedule.{stage}.batch={batch}" for stage in STAGES]
        own = [f"trainer={trainer}", f"hydra.run.dir={trainer}", *batches]
        process = start(tmp_path, *own, *plan, module=module)
        said = process.communicate()[1]
        assert process.returncode == 0, said[-3000:]
    one, two = tmp_path / "cpu", tmp_path / "ddp_cpu"
    for stage in STAGES:
        of_one, of_two = (
            [float(row[f"{stage}/loss"]) for row in logged(folder) if row[f"{stage}/loss"]]
            for folder in (one, two)
        )
        assert len(of_one) == 50
        assert of_two == pytest.approx(of_one, abs=losses, rel=0)
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (one, two))
    for name, value in a.items():
        assert (b[name] - value).norm() <= weights * value.norm(), name


@pytest.mark.slow
def test_torchrun_starts_the_processes_too(start, tmp_path):
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29671")
    process = start(tmp_path, *PLAN, "hydra.run.dir=run", launcher=launcher)
    said = process.communicate()[1]
    assert process.returncode == 0, said[-3000:]
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["status"] == "done"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_processes_that_others_start_need_a_named_folder(start, tmp_path):
    os.environ |= (torchrun := {"TORCHELASTIC_RUN_ID": "a", "RANK": "1", "WORLD_SIZE": "2"})
    try:
        process = start(tmp_path, *PLAN)
    finally:
        for name in torchrun:
            del os.environ[name]
    said = process.communicate()[1]
    assert process.returncode == 1
    assert said.strip() == (
        "mtlsr: Several processes need one folder: name it by hydra.run.dir=<folder>."
    )
    assert list(tmp_path.iterdir()) == []
