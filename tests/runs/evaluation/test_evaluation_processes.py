"""Several processes share the images of an evaluation; gloo on loopback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import multiprocessing

from mtlsr.data.pairs import EvaluationSet
from mtlsr.errors import UserError
from mtlsr.metrics import Protocol
from mtlsr.runs.evaluation.processes import ALONE, Processes
from mtlsr.runs.evaluation.results import Results
from tests.runs.evaluation.sets import write_outputs, write_set
from tests.runs.evaluation.several_processes import measured, work

REPOSITORY = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven images, which neither two nor three processes share evenly, and outputs for them."""
    folder = tmp_path_factory.mktemp("several")
    write_outputs(folder / "given", EvaluationSet("set", write_set(folder / "HR"), 2))
    return folder


@pytest.fixture(scope="module")
def alone(folder: Path, tiny_model: Path) -> Results:
    return measured(folder, tiny_model, 1, ALONE)


def test_every_item_belongs_to_one_process() -> None:
    items = list(range(10))
    for world in (1, 2, 3, 4, 11):
        shares = [Processes(rank, world).share(items) for rank in range(world)]
        assert sorted(item for share in shares for item in share) == items
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_one_process_does_not_wrap_its_errors() -> None:
    def broken() -> None:
        raise UserError("what the user did")

    with pytest.raises(UserError, match="what the user did"):
        ALONE.gathered(broken)
    assert ALONE.gathered(lambda: 3) == [3]


@pytest.mark.parametrize("world", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_several_processes_find_what_one_finds_and_the_first_says_what_goes_wrong(
    world: int, folder: Path, tiny_model: Path, alone: Results
) -> None:
    multiprocessing.spawn(work, (world, free_port(), folder, tiny_model), nprocs=world)
    found = [torch.load(folder / f"{world}_{rank}.pt") for rank in range(world)]
    assert all(rows == found[0] for rows in found)
    together = Results(alone.protocol, alone.measures, found[0])
    expected, means = alone.datasets["set"], together.datasets["set"]
    assert means["given"] == expected["given"]
    assert means["tiny"] == pytest.approx(expected["tiny"], abs=1e-4)
    assert means["tiny"]["images"] == 7

    first, *others = ((folder / f"{world}_{rank}.txt").read_text() for rank in range(world))
    assert first.startswith(f"RuntimeError: process {world - 1} failed:")
    assert "no such colour" in first
    assert others == ["SystemExit: 1"] * (world - 1)


def launched(cwd: Path, processes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as torchrun starts it."""
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    run += ["--master_addr", "127.0.0.1", "--master_port", str(free_port()), "-m", "mtlsr.evaluate"]
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    kept = {key: value for key, value in os.environ.items() if key.lower() not in proxies}
    path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [*run, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        timeout=300,
    )


@pytest.mark.slow
def test_the_command_under_torchrun_writes_one_folder(
    tmp_path: Path, folder: Path, tiny_model: Path, alone: Results
) -> None:
    model = f"model={{tiny: {tiny_model}, given: 'images:{folder / 'given'}'}}"
    data = ["dataset=set5", f"dataset.root={folder / 'HR'}"]
    done = launched(tmp_path, 3, model, *data)
    assert done.returncode == 0, done.stderr[-2000:]
    (written,) = (tmp_path / "outputs" / "evaluate").iterdir()
    assert [path.name for path in tmp_path.iterdir()] == ["outputs"]
    assert done.stdout.count("Everything is in") == 1
    found = json.loads((written / "results.json").read_text())
    assert found["protocol"] == Protocol.preset("literature", 2).hash
    expected, means = alone.datasets["set"], found["datasets"]["set5"]
    assert means["given"] == pytest.approx(expected["given"], abs=1e-9)
    assert means["tiny"] == pytest.approx(expected["tiny"], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["missing", "damaged"])
def test_the_command_under_torchrun_says_once_what_is_wrong(
    tmp_path: Path, folder: Path, broken: str
) -> None:
    root = tmp_path / "images"
    if broken == "damaged":
        files = write_set(root)
        files[1].write_bytes(files[1].read_bytes()[:200])  # the second process's
    work_ = tmp_path / "work"
    work_.mkdir()
    done = launched(work_, 2, "model=bicubic", "scale=2", "dataset=set5", f"dataset.root={root}")
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("mtlsr: ")]
    assert len(said) == 1
    assert ("does not exist" if broken == "missing" else "1.png: the image is damaged") in said[0]
    assert not [path for path in work_.rglob("*") if path.is_file()]
