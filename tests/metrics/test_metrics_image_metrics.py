import dataclasses
import math
import pickle
from collections.abc import Callable

import numpy as np
import pytest
import torch

from mtlsr.metrics import ImageMetrics, ImageScores, Protocol, measure, psnr, ssim

PROTOCOL = Protocol.preset("literature", 2)
SHAPES = [(30, 40, 3), (33, 27, 3), (25, 25), (40, 30, 3), (64, 20, 3)]


@pytest.fixture(scope="module")
def pairs(random_pair: Callable) -> list:
    return [random_pair(shape, seed) for seed, shape in enumerate(SHAPES)]


def metrics_over(pairs: list, protocol: Protocol = PROTOCOL) -> ImageMetrics:
    metrics = ImageMetrics(protocol)
    for sr, hr in pairs:
        metrics.update(sr, hr)
    return metrics


def test_measure_is_the_four_functions(pairs: list) -> None:
    sr, hr = pairs[0]
    assert measure(sr, hr, PROTOCOL).as_dict() == {
        "psnr_y": psnr(sr, hr, PROTOCOL),
        "ssim_y": ssim(sr, hr, PROTOCOL),
        "psnr_rgb": psnr(sr, hr, PROTOCOL, "rgb"),
        "ssim_rgb": ssim(sr, hr, PROTOCOL, "rgb"),
    }


def test_the_mean_is_over_images_not_over_pixels(pairs: list) -> None:
    means = metrics_over(pairs).compute()
    scores = [measure(*pair, PROTOCOL).as_dict() for pair in pairs]
    assert means.pop("images") == len(pairs)
    for name, value in means.items():
        assert value == pytest.approx(np.mean([score[name] for score in scores]), abs=1e-9)


@pytest.mark.parametrize("split", [1, 2, 4])
def test_two_halves_merged_equal_one_bit_for_bit(split: int, pairs: list) -> None:
    whole, first, second = (metrics_over(p) for p in (pairs, pairs[:split], pairs[split:]))
    first.merge_state(second)
    assert first.compute() == whole.compute()


def test_the_order_of_the_images_changes_no_bit(pairs: list) -> None:
    assert metrics_over(pairs[::-1]).compute() == metrics_over(pairs).compute()


def test_states_are_summed_over_processes(pairs: list) -> None:
    """What torchmetrics does under DDP: gather the states of all processes, then reduce them."""
    first, second = metrics_over(pairs[:2]), metrics_over(pairs[2:])

    def gathered(state: torch.Tensor, group: object = None) -> list[torch.Tensor]:
        name = "images" if state.ndim == 0 else "totals"
        return [state, getattr(second, name)]

    first.dist_sync_fn = gathered
    first.distributed_available_fn = lambda: True
    assert first.compute() == metrics_over(pairs).compute()


def test_identical_images_count_as_the_ceiling_in_the_mean_and_stay_infinite_alone(
    pairs: list,
) -> None:
    sr, hr = pairs[0]
    metrics = metrics_over([(sr, hr), (hr, hr)])
    assert metrics.last == ImageScores(math.inf, 1.0, math.inf, 1.0)
    expected = (measure(sr, hr, PROTOCOL).psnr_y + 100) / 2
    assert metrics.compute()["psnr_y"] == pytest.approx(expected, abs=1e-9)

    low = metrics_over([(sr, hr)], dataclasses.replace(PROTOCOL, ceiling=10.0)).compute()
    assert (low["psnr_y"], low["psnr_rgb"]) == (10.0, 10.0)


def test_a_step_returns_its_own_figures_and_adds_to_the_mean(pairs: list) -> None:
    metrics = ImageMetrics(PROTOCOL)
    for sr, hr in pairs:
        step = metrics(sr, hr)
        assert step["images"] == 1
        assert metrics.last is not None
        assert step["ssim_y"] == pytest.approx(metrics.last.ssim_y, abs=1e-9)
    assert metrics.compute() == metrics_over(pairs).compute()


def test_tensors_and_arrays_are_the_same(pairs: list) -> None:
    tensors = [(torch.from_numpy(sr), torch.from_numpy(hr)) for sr, hr in pairs]
    assert metrics_over(tensors).compute() == metrics_over(pairs).compute()


def test_casting_and_autocast_leave_the_figures_alone(pairs: list) -> None:
    metrics = torch.nn.ModuleList([metrics_over(pairs[:2])]).to(dtype=torch.bfloat16)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for sr, hr in pairs[2:]:
            metrics.update(sr, hr)
    assert metrics.compute() == metrics_over(pairs).compute()


def test_reset_starts_again(pairs: list) -> None:
    metrics = metrics_over(pairs[:2])
    metrics.reset()
    metrics.update(*pairs[2])
    assert metrics.compute() == metrics_over(pairs[2:3]).compute()


def test_pickling_keeps_the_sums(pairs: list) -> None:
    metrics = metrics_over(pairs)
    assert pickle.loads(pickle.dumps(metrics)).compute() == metrics.compute()


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_no_image_has_no_mean() -> None:
    means = ImageMetrics(PROTOCOL).compute()
    assert means.pop("images") == 0
    assert all(math.isnan(value) for value in means.values())


def test_a_refused_pair_is_not_counted(pairs: list) -> None:
    metrics = metrics_over(pairs[:1])
    with pytest.raises(ValueError, match="allowed: equal sizes"):
        metrics.update(pairs[0][0][:-1], pairs[0][1])
    assert metrics.compute() == metrics_over(pairs[:1]).compute()
