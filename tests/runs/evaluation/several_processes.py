"""What each process does in test_evaluation_processes.py."""

import os
from pathlib import Path

import torch

from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.inference.methods.base import UInt8
from mtlsr.inference.methods.images import Images
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import Protocol
from mtlsr.networks.folder import load_model
from mtlsr.runs.evaluation.measuring import evaluate
from mtlsr.runs.evaluation.processes import Processes, joined
from mtlsr.runs.evaluation.results import Results
from tests.runs.evaluation.sets import Made

PROTOCOL = Protocol.preset("literature", 2)


def measured(folder: Path, model: Path, batch: int, processes: Processes) -> Results:
    """Given images and a network, on all images of `folder`/HR."""
    methods = {
        "given": Images(folder / "given"),
        "tiny": own_network(load_model(model)[0], Settings()),
    }
    return evaluate([images_of(folder)], methods, PROTOCOL, batch=batch, processes=processes)


def images_of(folder: Path) -> EvaluationSet:
    return EvaluationSet("set", sorted((folder / "HR").iterdir()), 2)


def work(rank: int, world: int, port: int, folder: Path, model: Path) -> None:
    """One of several processes.

    It leaves the rows that it is given in `folder`; and how it ends when the last process meets an
    image that it cannot measure.
    """
    torch.set_num_threads(1)
    os.environ |= {
        "RANK": str(rank), "WORLD_SIZE": str(world),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip

    def make(pair: EvaluationPair) -> UInt8:
        if rank == world - 1:
            raise TypeError("no such colour")
        return pair.hr

    with joined() as processes:
        results = measured(folder, model, 2, processes)
        torch.save(results.images, folder / f"{world}_{rank}.pt")
        try:
            evaluate([images_of(folder)], {"m": Made(make)}, PROTOCOL, processes=processes)
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
            (folder / f"{world}_{rank}.txt").write_text(said)
