import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mtlsr.data.augment import dihedral
from mtlsr.data.datasets import find_dataset
from mtlsr.data.degradation import bicubic, classical
from mtlsr.data.samples import Sample, SampleDataset
from mtlsr.data.store import Store


def dataset(store: Store, **changes) -> SampleDataset:
    options = {"patch": 8, "seed": 7, "degradation": classical} | changes
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


@pytest.mark.parametrize(
    ("stream", "places", "pixels"),
    [
        (
            1,
            "0d4a3347da37c06d7c8faf17facdf02d131c5c27807167271ffdac81b3c3f24a",
            "59c7608f9545ada00fc4ac9d2a2a64693f2552c647e3d137ed8ee0255bc49316",
        ),
        (
            2,
            "855409f2113ff37ca3d5670446334648b099cb9abc6b658ef260aff9cce456fb",
            "cca214ac479d1293aa19c3f089afaf5e000b217fe73cc301dfaac62fbe2b29c5",
        ),
    ],
    ids=["stage 1", "stage 2"],
)
def test_the_stream_of_the_photos_never_changes(
    photos_store: Store, stream: int, places: str, pixels: str
) -> None:
    """Published figures of `dataset=photos` stand on these samples; the hashes may not change."""
    data = SampleDataset(photos_store, 16, 0, bicubic, stream=stream, balance=0.5)
    drawn = [data.draw(k)[:3] for k in range(1000)]
    assert hashlib.sha256(str(drawn).encode()).hexdigest() == places
    found = hashlib.sha256()
    for k in range(64):
        sample = data[k]
        for image in (sample.lr, sample.lr_clean, sample.hr):
            found.update(np.asarray(image).tobytes())
    assert found.hexdigest() == pixels


@pytest.fixture(scope="module")
def photos_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(find_dataset("photos").train, 4, tmp_path_factory.mktemp("cache"))


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
        ({"seed": -1}, "seed is -1"),
        ({"stream": -1}, "stream is -1"),
    ],
)
def test_refusals(small_store: Store, change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(small_store, **change)


def test_parts_are_drawn_by_their_weights(small_store: Store) -> None:
    """One photograph a part: 30 % of the samples are of the first, which has 4 times the places."""
    data = dataset(small_store, degradation=bicubic, parts=[(1, 0.6), (1, 1.4)])
    drawn = [data.draw(k)[:3] for k in range(4000)]
    share = np.mean([index == 0 for index, *_ in drawn])
    assert share == pytest.approx(0.3, abs=0.03)  # 4 standard deviations
    assert {place for place in drawn if place[0] == 1} == {
        (1, top, left) for top in range(5) for left in range(5)
    }
    again = dataset(small_store, degradation=bicubic, parts=[(1, 0.6), (1, 1.4)])
    assert all(same(data[k], again[k]) for k in range(20))


def test_what_is_shrunk_belongs_to_its_photographs_part(tmp_path: Path) -> None:
    """0.05 leaves less than a patch, which is never drawn."""
    files = find_dataset("photos").train[:2]
    store = Store.open(files, 4, tmp_path, shrunk=[0.05, 0.5])
    assert store.photographs == [0, 0, 0, 1, 1, 1]
    for parts, expected in (
        ([(1, 3.0), (1, 1.0)], [0.375, 0, 0.375, 0.125, 0, 0.125]),
        ([], [0.25, 0, 0.25, 0.25, 0, 0.25]),
    ):
        data = dataset(store, degradation=bicubic, parts=parts, balance=0.0)
        drawn = np.bincount([data.draw(k)[0] for k in range(4000)], minlength=6) / 4000
        np.testing.assert_allclose(drawn, expected, atol=0.03)


def test_within_a_part_nothing_changes(small_store: Store) -> None:
    whole = dataset(small_store, balance=0.5)
    one = dataset(small_store, balance=0.5, parts=[(2, 3.0)])
    assert all(same(whole[k], one[k]) for k in range(50))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([(1, 1.0)], r"parts have \[1\] photographs, and the store 2"),
        ([(2, 1.0), (0, 1.0)], r"parts have \[2, 0\]"),
        ([(1, 1.0), (1, 0.0)], r"weight of a part is 0\.0"),
        ([(1, float("nan")), (1, 1.0)], "weight of a part is nan"),
    ],
)
def test_parts_are_checked(small_store: Store, parts: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataset(small_store, parts=parts)
