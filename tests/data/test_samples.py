import pickle
from dataclasses import replace

import numpy as np
import pytest

from mtlsr.data.augment import dihedral
from mtlsr.data.degradation import bicubic, classical
from mtlsr.data.samples import Sample, SampleDataset
from mtlsr.data.store import Store


def dataset(store: Store, **changes) -> SampleDataset:
    options = {"scale": 2, "patch": 8, "seed": 7, "degradation": classical} | changes
    return SampleDataset(store, **options)


def same(a: Sample, b: Sample) -> bool:
    pairs = ((a.lr, b.lr), (a.lr_clean, b.lr_clean), (a.hr, b.hr), (a.degradation, b.degradation))
    return all(np.array_equal(x, y) for x, y in pairs)


def test_shapes_and_types(small_store: Store) -> None:
    sample = dataset(small_store)[0]
    assert sample.lr.shape == sample.lr_clean.shape == (8, 8, 3)
    assert sample.hr is not None
    assert sample.hr.shape == (16, 16, 3)
    assert sample.lr.dtype == sample.hr.dtype == np.uint8
    assert sample.degradation.shape == (5,)
    assert sample.degradation.dtype == np.float32


def test_pure_function_of_its_number(small_store: Store) -> None:
    data = dataset(small_store)
    forwards = [data[k] for k in range(20)]
    backwards = [dataset(small_store)[k] for k in reversed(range(20))][::-1]
    restored = pickle.loads(pickle.dumps(data))
    assert all(map(same, forwards, backwards))
    assert all(same(forwards[k], restored[k]) for k in range(20))
    assert data[2**62].lr.shape == (8, 8, 3)


@pytest.mark.parametrize("change", [{"seed": 8}, {"stream": 1}])
def test_seeds_and_streams_differ(small_store: Store, change: dict) -> None:
    ours, theirs = dataset(small_store), dataset(small_store, **change)
    assert sum(same(ours[k], theirs[k]) for k in range(50)) <= 1


def test_low_resolution_alone_has_the_same_draws(small_store: Store) -> None:
    both, low = dataset(small_store), dataset(small_store, with_hr=False)
    for k in range(20):
        assert low[k].hr is None
        assert same(replace(both[k], hr=None), low[k])


def test_crops_are_aligned_whole_and_of_every_kind(small_store: Store) -> None:
    """Each sample is found again at a place of its photograph; in the long run, at every place."""
    places = {}
    for index, (height, width) in enumerate(small_store.lr_sizes):
        for top in range(height - 7):
            for left in range(width - 7):
                for element in range(8):
                    lr = small_store.lr(index)[top : top + 8, left : left + 8]
                    hr = small_store.hr(index)[2 * top : 2 * top + 16, 2 * left : 2 * left + 16]
                    key = dihedral(lr, element).tobytes(), dihedral(hr, element).tobytes()
                    places[key] = (index, top, left, element)
    total = (8 * 13 + 5 * 5) * 8
    assert len(places) == total
    data = dataset(small_store, degradation=bicubic)
    seen = []
    for k in range(12 * total):
        sample = data[k]
        assert sample.hr is not None
        seen.append(places[sample.lr.tobytes(), sample.hr.tobytes()])
    assert len(set(seen)) == total
    share = np.mean([index == 0 for index, *_ in seen])
    assert share == pytest.approx(8 * 13 / (8 * 13 + 5 * 5), abs=0.015)


def test_clean_samples_are_bit_identical_and_in_the_mix(small_store: Store) -> None:
    samples = [dataset(small_store)[k] for k in range(100)]
    clean = [sample for sample in samples if not sample.degradation.any()]
    assert 5 <= len(clean) <= 40
    assert all(np.array_equal(sample.lr, sample.lr_clean) for sample in clean)
    strong = [sample for sample in samples if sample.degradation[2] > 0.2]
    assert strong
    assert all((sample.lr != sample.lr_clean).any() for sample in strong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": 13}, r"square\.png has 24x24 pixels; patches of 13 at scale 2 .* 26x26"),
        ({"patch": 0}, "patch is 0"),
        ({"scale": 4}, "made for scale 2"),
        ({"seed": -1}, "seed is -1"),
        ({"stream": -1}, "stream is -1"),
    ],
)
def test_refusals(small_store: Store, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(small_store, **change)
