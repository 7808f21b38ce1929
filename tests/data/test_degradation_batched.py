"""Degrading whole batches on the training device: the same samples, whatever the batch."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mtlsr.data import bundled
from mtlsr.data.batch import collate
from mtlsr.data.degradation import Classical, Draws, bicubic, classical, degrade_batch
from mtlsr.data.degradation.batched import UNIT, quantised
from mtlsr.data.images import read_image
from mtlsr.data.resize import bicubic_downscale
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store

PLAIN = replace(classical, jpeg_probability=0.0, kernels=["area", "bilinear", "bicubic"])
COUNT = 24


def rng(k: int) -> np.random.Generator:
    return np.random.default_rng(k)


@pytest.fixture(scope="module", params=[(16, 16), (21, 30)])
def patches(request: pytest.FixtureRequest) -> np.ndarray:
    coffee = bicubic_downscale(read_image(bundled.TEST[0].path), 4)
    height, width = request.param
    generator = rng(0)
    places = generator.integers(0, (100 - height, 150 - width), (COUNT, 2))
    return np.stack([coffee[y : y + height, x : x + width] for y, x in places])


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.stack([PLAIN.sample(rng(k)) for k in range(COUNT)])


def floats(patches: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(patches).permute(0, 3, 1, 2).float().div(255)


def levels(images: torch.Tensor) -> np.ndarray:
    return (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def drawn(patches: np.ndarray, vectors: np.ndarray) -> Draws:
    shape = patches.shape[1:]
    return Draws.joined([PLAIN.draws(v, rng(k), shape) for k, v in enumerate(vectors)])


def test_it_agrees_with_one_by_one(patches: np.ndarray, vectors: np.ndarray) -> None:
    expected = [
        PLAIN.degrade(patch, vector, rng(k))
        for k, (patch, vector) in enumerate(zip(patches, vectors, strict=True))
    ]
    found = degrade_batch(floats(patches), drawn(patches, vectors))
    assert found.is_contiguous(memory_format=torch.channels_last)
    difference = np.abs(levels(found).astype(int) - np.stack(expected))
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.97
    assert (np.stack(expected) != patches).mean() > 0.5  # much was done


def test_clean_stays_the_very_image(patches: np.ndarray) -> None:
    clean = floats(patches)
    nothing = drawn(patches, np.zeros((COUNT, 5), np.float32))
    torch.testing.assert_close(degrade_batch(clean, nothing), clean, rtol=0, atol=0)


def test_a_sample_does_not_depend_on_its_batch(patches: np.ndarray, vectors: np.ndarray) -> None:
    """To the bit: alone, in other company, in another order, with another number of threads."""
    images, draws = floats(patches), drawn(patches, vectors)
    whole = degrade_batch(images, draws)
    for size in (1, 5, 16):
        parts = [
            degrade_batch(images[i : i + size], draws.map(lambda x, i=i, n=size: x[i : i + n]))
            for i in range(0, COUNT, size)
        ]
        assert torch.equal(torch.cat(parts), whole)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    assert torch.equal(degrade_batch(images[order], draws.map(lambda x: x[order])), whole[order])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert torch.equal(degrade_batch(images, draws), whole)
    finally:
        torch.set_num_threads(threads)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(degrade_batch(images, draws), whole)


def test_its_sums_have_no_rounding(patches: np.ndarray, vectors: np.ndarray) -> None:
    """In double precision, in another order of summation, they are the same."""
    draws = drawn(patches, vectors)
    image = torch.from_numpy(patches).permute(0, 3, 1, 2).double()
    image = torch.einsum("nij,ncjk,nlk->ncil", draws.rows.double(), image, draws.columns.double())
    image = (image * 4).round() / 4
    reach = draws.kernel.shape[-1] // 2
    padded = F.pad(image, [reach] * 4, mode="replicate").flip(-1, -2)
    windows = padded.unfold(2, 2 * reach + 1, 1).unfold(3, 2 * reach + 1, 1).flip(2, 3)
    blurred = torch.einsum("nchwij,nij->nchw", windows, draws.kernel.double().flip(-1, -2))
    noisy = blurred.float() + draws.noise.permute(0, 3, 1, 2)
    expected = (noisy + 0.5).floor().clamp(0, 255) / 255
    assert torch.equal(degrade_batch(floats(patches), draws), expected)


def test_quantised_rows_add_up_to_one_exactly() -> None:
    weights = np.random.default_rng(0).random((7, 200)) - 0.2
    weights /= weights.sum(axis=1, keepdims=True)
    found = quantised(weights)
    assert (found.sum(axis=1, dtype=np.float64) == 1).all()
    assert (found * UNIT % 1 == 0).all()
    assert np.abs(found - weights).max() < 200 / UNIT / 2


@pytest.mark.parametrize(
    ("degradation", "batched"),
    [
        (PLAIN, True),
        (classical, False),
        (bicubic, False),
        (Classical(jpeg_probability=0, clean_probability=1), False),
    ],
)
def test_batches_are_for_what_needs_no_codec_and_does_something(
    degradation: Classical, batched: bool
) -> None:
    assert degradation.batched is batched


def test_jpeg_is_refused(patches: np.ndarray) -> None:
    with pytest.raises(ValueError, match="JPEG cannot be done in batches"):
        classical.draws(np.array([0, 0, 0, 0.5, 0], np.float32), rng(0), patches.shape[1:])


def test_draws_of_another_size_are_refused(patches: np.ndarray, vectors: np.ndarray) -> None:
    with pytest.raises(ValueError, match="its noise is"):
        degrade_batch(floats(patches)[:, :, :8], drawn(patches, vectors))


def test_deferred_samples_are_the_same_samples(small_store: Store) -> None:
    options = {"patch": 8, "seed": 3, "degradation": PLAIN}
    now = SampleDataset(small_store, **options)
    later = SampleDataset(small_store, deferred=True, **options)
    batch = collate([later[k] for k in range(40)])
    assert torch.equal(batch.lr, batch.lr_clean)
    ready = batch.floats()
    assert ready.draws is None
    expected = collate([now[k] for k in range(40)])
    assert torch.equal(batch.degradation, expected.degradation)
    assert torch.equal(ready.lr_clean, expected.floats().lr_clean)
    difference = np.abs(levels(ready.lr).astype(int) - expected.lr.numpy())
    assert difference.max() <= 1
    assert (difference == 0).mean() > 0.97
    assert batch.to("cpu").draws is not None


def test_what_cannot_be_deferred_is_refused(small_store: Store) -> None:
    with pytest.raises(ValueError, match="cannot be deferred"):
        SampleDataset(small_store, 8, 0, classical, deferred=True)
