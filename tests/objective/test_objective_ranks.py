"""Two processes of one training keep one average."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mtlsr.objective.ranks import mean_over_ranks, ranks, sum_over_ranks
from mtlsr.objective.realism import StyleTerm

ROOT = Path(__file__).parents[2]
STATISTICS = ("gram", "mean_std", "centred")
SCRIPT = """
import sys
import torch
from torch import distributed, nn
from mtlsr.objective.ranks import leave_group, mean_over_ranks
from mtlsr.objective.realism import StyleTerm

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
distributed.init_process_group(
    "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
)
images = torch.load(f"{folder}/images.pt")
found = {"mean": mean_over_ranks(torch.tensor([1.0 + rank, 4.0 * rank]))}
for statistic in ("gram", "mean_std", "centred"):
    term = StyleTerm(statistic, average=0.8, channels=3).train()
    for sr, hr in images:
        own = slice(2 * rank, 2 * rank + 2)
        term(sr[own], hr[own], nn.Identity())
    found[statistic] = term.state_dict()
torch.save(found, f"{folder}/{rank}.pt")
leave_group()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What each of two processes found, beside the images, of which each saw its half."""
    folder = tmp_path_factory.mktemp("ranks")
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(3, 2, 4, 3, 6, 6, generator=generator)
    torch.save(images, folder / "images.pt")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen([sys.executable, "-c", SCRIPT, str(rank), str(folder)], env=env)
        for rank in range(2)
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    return folder


def test_the_mean_over_processes_is_in_each_of_them(folder: Path) -> None:
    for rank in range(2):
        assert torch.equal(torch.load(folder / f"{rank}.pt")["mean"], torch.tensor([1.5, 2.0]))


def test_alone_a_process_keeps_what_it_has() -> None:
    x = torch.rand(3, requires_grad=True)
    assert ranks() == 1
    assert mean_over_ranks(x) is x
    assert sum_over_ranks(x) is x


@pytest.mark.parametrize("statistic", STATISTICS)
def test_both_have_one_state_that_of_one_process_with_all_images(
    folder: Path, statistic: str
) -> None:
    first, second = (torch.load(folder / f"{rank}.pt")[statistic] for rank in range(2))
    assert len(first) == 4
    assert all(torch.equal(first[name], second[name]) for name in first)
    term = StyleTerm(statistic, average=0.8, channels=3).train()
    for sr, hr in torch.load(folder / "images.pt"):
        term(sr, hr, torch.nn.Identity())
    for name, value in term.state_dict().items():
        torch.testing.assert_close(first[name], value)
        assert value.abs().sum() > 0
