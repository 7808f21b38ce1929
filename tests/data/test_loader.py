from itertools import islice

import pytest
import torch

from mtlsr.data.batch import Batch
from mtlsr.data.degradation import classical
from mtlsr.data.loader import CountedBatches, build_loader
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store


@pytest.fixture
def dataset(small_store: Store) -> SampleDataset:
    return SampleDataset(small_store, patch=8, seed=3, degradation=classical)


def tensors(batch: Batch) -> list[torch.Tensor]:
    return [value for value in vars(batch).values() if value is not None]


def equal(a: Batch, b: Batch) -> bool:
    return all(torch.equal(x, y) for x, y in zip(tensors(a), tensors(b), strict=True))


def joined(batches: list[Batch]) -> Batch:
    return Batch(*(torch.cat(column) for column in zip(*map(tensors, batches), strict=True)))


def test_every_number_once_and_in_order() -> None:
    numbers = [k for step in CountedBatches(batch=3, steps=4) for k in step]
    assert numbers == list(range(12))


def test_processes_share_each_step() -> None:
    alone = list(CountedBatches(batch=6, steps=5))
    ranks = [CountedBatches(batch=2, steps=5, rank=r, world=3) for r in range(3)]
    assert [[k for part in parts for k in part] for parts in zip(*ranks, strict=True)] == alone


def test_going_on_is_the_rest_of_the_whole() -> None:
    whole = list(CountedBatches(batch=2, steps=9, rank=1, world=2))
    rest = CountedBatches(batch=2, steps=9, start=4, rank=1, world=2)
    assert list(rest) == whole[4:]
    assert len(rest) == len(whole)  # Lightning goes on counting from where the run was stopped
    assert list(CountedBatches(batch=2, steps=9, start=9)) == []


@pytest.mark.parametrize(
    "options",
    [{"batch": 0}, {"start": 6}, {"start": -1}, {"rank": 1}, {"rank": -1, "world": 2}],
)
def test_impossible_counts(options: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        CountedBatches(**({"batch": 2, "steps": 5} | options))


def test_same_batches_for_every_number_of_workers(dataset: SampleDataset) -> None:
    streams = [list(build_loader(dataset, 4, 100, workers=workers)) for workers in (0, 1, 2)]
    assert [len(stream) for stream in streams] == [100, 100, 100]
    for batches in zip(*streams, strict=True):
        assert equal(batches[0], batches[1])
        assert equal(batches[0], batches[2])


def test_spawned_workers_give_the_same_batches(dataset: SampleDataset) -> None:
    """Windows and macOS start workers so."""
    loader = build_loader(dataset, 4, 3, workers=1)
    loader.multiprocessing_context = "spawn"
    assert all(map(equal, loader, build_loader(dataset, 4, 3)))


def test_same_batches_for_every_number_of_processes(dataset: SampleDataset) -> None:
    alone = build_loader(dataset, batch=4, steps=5)
    ranks = [build_loader(dataset, batch=2, steps=5, rank=r, world=2) for r in range(2)]
    for whole, *parts in zip(alone, *ranks, strict=True):
        assert equal(whole, joined(parts))


def test_going_on_sees_the_same_batches(dataset: SampleDataset) -> None:
    whole = list(build_loader(dataset, 4, 5))
    rest = list(build_loader(dataset, 4, 5, start=3))
    assert len(rest) == 2
    assert all(map(equal, whole[3:], rest))


def test_other_seed_other_batches(small_store: Store, dataset: SampleDataset) -> None:
    other = SampleDataset(small_store, patch=8, seed=4, degradation=classical)
    pairs = zip(build_loader(dataset, 4, 5), build_loader(other, 4, 5), strict=True)
    assert not any(equal(a, b) for a, b in pairs)


def test_global_generators_are_left_alone(dataset: SampleDataset) -> None:
    before = torch.get_rng_state()
    list(islice(build_loader(dataset, 4, 5), 2))
    assert torch.equal(torch.get_rng_state(), before)
