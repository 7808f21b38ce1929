"""Which samples make which batch, and who loads them."""

import signal
from collections.abc import Iterator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from mtlsr.data import augment
from mtlsr.data.batch import collate
from mtlsr.data.samples import Sample


class CountedBatches(Sampler[list[int]]):
    """Sample numbers of every step: step t of process r takes ``t*batch*world + r*batch + i``.

    So all processes together see, step by step, what one process with ``world`` times the batch
    would see, and a run that goes on at step ``start`` sees what it would have seen.
    """

    def __init__(
        self, batch: int, steps: int, start: int = 0, rank: int = 0, world: int = 1
    ) -> None:
        """
        Args:
            batch: samples a step and process.
            steps: steps of the whole run.
            start: the first step to do, at most ``steps``.
            rank: this process, 0 to ``world - 1``.
            world: number of processes.

        Raises:
            ValueError: a number out of range.
        """
        if batch < 1 or not 0 <= start <= steps:
            raise ValueError(
                f"batch is {batch}, start {start}, steps {steps}: "
                "batch must be at least 1, and start from 0 to steps."
            )
        if not 0 <= rank < world:
            raise ValueError(f"rank is {rank} of world {world}: it must be from 0 to world - 1.")
        self.batch = batch
        self.steps = steps
        self.start = start
        self.rank = rank
        self.world = world

    def __len__(self) -> int:
        # The whole run's, not what is left: Lightning goes on counting where the run was stopped.
        return self.steps

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.steps):
            first = (step * self.world + self.rank) * self.batch
            yield list(range(first, first + self.batch))


def build_loader(
    dataset: Dataset[Sample],
    batch: int,
    steps: int,
    start: int = 0,
    workers: int = 0,
    rank: int = 0,
    world: int = 1,
    pin_memory: bool = False,
) -> DataLoader[Sample]:
    """A loader of ``Batch`` that gives the same batches for every number of workers.

    Under Lightning set ``use_distributed_sampler=False``: the processes are told apart here.

    Args:
        dataset: samples by number, without end (``SampleDataset``).
        batch, steps, start, rank, world: see ``CountedBatches``.
        workers: loader processes; 0 loads in this process.
        pin_memory: page-locked batches, for a GPU.
    """
    options: dict[str, Any] = {}
    if workers > 0:
        augment.functional()  # imported once, before workers fork
        options = {"prefetch_factor": 4, "worker_init_fn": _single_threaded}
    return DataLoader(
        dataset,
        batch_sampler=CountedBatches(batch, steps, start, rank, world),
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin_memory,
        # Else the loader would take a number from the global generator, and a resumed run with it.
        generator=torch.Generator(),
        **options,
    )


def _single_threaded(_worker: int) -> None:
    # Schedulers and terminals ask all processes to end; only the training one knows when.
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
