"""Sample k is the same to the bit for every number of workers and processes, and every λ."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch

from mtlsr.data import bundled
from mtlsr.data.batch import Batch
from mtlsr.data.degradation import bicubic, classical, realistic
from mtlsr.data.loader import build_loader
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store

DEGRADATIONS: dict[str, Any] = {
    "bicubic": bicubic,
    "classical": classical,
    "classical in batches": replace(classical, jpeg_probability=0.0),
    "realistic": realistic,
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    paths = [photograph.path for photograph in bundled.TEST]
    return Store.open(paths, 4, tmp_path_factory.mktemp("stream"))


@pytest.fixture(params=list(DEGRADATIONS))
def dataset(request: pytest.FixtureRequest, store: Store) -> SampleDataset:
    degradation = DEGRADATIONS[request.param]
    return SampleDataset(store, 24, 5, degradation, deferred=degradation.batched)


def same(a: Batch, b: Batch) -> bool:
    """What a network gets, and everything beside it."""
    a, b = a.floats(), b.floats()
    pairs = [(getattr(a, x.name), getattr(b, x.name)) for x in fields(Batch) if x.name != "draws"]
    return all(torch.equal(x, y) for x, y in pairs)


def test_every_number_of_workers(dataset: SampleDataset) -> None:
    streams = [list(build_loader(dataset, 6, 8, workers=workers)) for workers in (0, 1, 2)]
    assert [len(stream) for stream in streams] == [8, 8, 8]
    for batches in zip(*streams, strict=True):
        assert same(batches[0], batches[1])
        assert same(batches[0], batches[2])


def test_every_number_of_processes(dataset: SampleDataset) -> None:
    alone = list(build_loader(dataset, 6, 4))
    for world in (2, 3):
        ranks = [build_loader(dataset, 6 // world, 4, rank=r, world=world) for r in range(world)]
        for whole, *parts in zip(alone, *ranks, strict=True):
            images = torch.cat([part.floats().lr for part in parts])
            assert torch.equal(whole.floats().lr, images)


def test_strengths_say_what_was_done(dataset: SampleDataset) -> None:
    for batch in build_loader(dataset, 16, 3):
        ready = batch.floats()
        clean = (batch.degradation == 0).all(dim=1)
        untouched = (ready.lr == ready.lr_clean).flatten(1).all(dim=1)
        assert untouched[clean].all()
        strong = batch.degradation.amax(dim=1) > 0.5
        assert not untouched[strong].any() or dataset.degradation is bicubic
        assert batch.degradation.shape[1] == len(dataset.degradation.names)


def test_opencv_s_threads_change_nothing(dataset: SampleDataset) -> None:
    """Workers use one, the main process as many as there are cores."""
    import cv2

    threads = cv2.getNumThreads()
    found = []
    for count in (1, 4):
        cv2.setNumThreads(count)
        found.append(np.stack([dataset[k].lr for k in range(30)]))
    cv2.setNumThreads(threads)
    np.testing.assert_array_equal(*found)
