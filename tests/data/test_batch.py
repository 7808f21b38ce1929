from dataclasses import replace

import numpy as np
import pytest
import torch

from mtlsr.data.batch import Batch, collate
from mtlsr.data.degradation import Draws
from mtlsr.data.samples import Sample

RNG = np.random.default_rng(0)


def sample(with_hr: bool = True) -> Sample:
    low = RNG.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    high = RNG.integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return Sample(low, low, high if with_hr else None, np.zeros(5, np.float32))


def test_collate_stacks_bytes() -> None:
    samples = [sample() for _ in range(3)]
    batch = collate(samples)
    assert len(batch) == 3
    assert batch.hr is not None
    assert batch.hr.dtype == torch.uint8
    assert batch.hr.shape == (3, 8, 10, 3)
    assert batch.degradation.shape == (3, 5)
    np.testing.assert_array_equal(batch.lr[1].numpy(), samples[1].lr)


def test_floats_are_networks_input_and_exact() -> None:
    samples = [sample() for _ in range(3)]
    batch = collate(samples)
    floats = batch.floats()
    for image in (floats.lr, floats.lr_clean, floats.hr):
        assert image is not None
        assert image.dtype == torch.float32
        assert image.is_contiguous(memory_format=torch.channels_last)
    assert floats.lr.shape == (3, 3, 4, 5)
    restored = (floats.lr * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    torch.testing.assert_close(restored, batch.lr)
    assert floats.lr[1, 2, 3, 4].item() == np.float32(samples[1].lr[3, 4, 2]) / np.float32(255)
    assert floats.floats().lr is floats.lr


def test_stage_one_has_no_hr() -> None:
    batch = collate([sample(with_hr=False)])
    assert batch.hr is None
    assert batch.floats().hr is None
    assert batch.to("cpu").hr is None


def test_to_moves_everything() -> None:
    batch = collate([sample()]).to("meta", non_blocking=True)
    assert isinstance(batch, Batch)
    assert {x.device.type for x in vars(batch).values() if x is not None} == {"meta"}


def test_mixed_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="Only 1 of 2 samples"):
        collate([sample(), sample(with_hr=False)])
    image = np.zeros((4, 5, 3), np.float32)
    draws = Draws.of(np.eye(4), np.eye(5), np.ones((1, 1), np.float32), image)
    with pytest.raises(ValueError, match="Only 1 of 2 samples of a batch have draws"):
        collate([sample(), replace(sample(), draws=draws)])
