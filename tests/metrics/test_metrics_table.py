import dataclasses
import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from mtlsr.data.resize import bicubic_downscale
from mtlsr.errors import UserError
from mtlsr.metrics import MEASURES, Measure, Protocol, measure, measures
from mtlsr.metrics.image_metrics import NAMES

PROTOCOL = Protocol.preset("literature", 2)
HERE = [name for name, each in MEASURES.items() if each.extra is None]


@pytest.fixture(scope="module")
def pair(random_pair: Callable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    sr, hr = random_pair((240, 320, 3))
    return sr, hr, bicubic_downscale(hr, 2)


def test_the_table_names_every_measure_once_and_the_standard_ones_first() -> None:
    assert tuple(MEASURES)[:4] == NAMES
    wanted = {"ms_ssim_y", "ms_ssim_rgb", "lr_psnr", "edge_psnr", "niqe", "lpips", "dists"}
    assert wanted < set(MEASURES)
    assert all(name == each.name for name, each in MEASURES.items())
    assert len({each.title for each in MEASURES.values()}) == len(MEASURES)


def test_the_standard_measures_are_those_of_training(pair: tuple) -> None:
    sr, hr, _ = pair
    for protocol in (PROTOCOL, Protocol.preset("rgb", 2)):
        found = {name: each(sr, hr, None, protocol) for name, each in measures(NAMES).items()}
        assert found == measure(sr, hr, protocol).as_dict()


@pytest.mark.parametrize("name", HERE)
def test_each_measure_takes_the_same_arguments_and_says_which_way_is_better(
    name: str, pair: tuple
) -> None:
    _, hr, lr = pair
    each = MEASURES[name]
    noise = np.random.default_rng(1).normal(size=hr.shape)
    good, bad = (np.clip(hr + s * noise, 0, 255).astype(np.uint8) for s in (5, 50))
    better, worse = (each(sr, hr, lr, PROTOCOL) for sr in (good, bad))
    assert math.isfinite(better) and math.isfinite(worse)
    assert (better > worse) == each.higher_is_better
    blurred = cv2.GaussianBlur(hr, (0, 0), 3)
    if name != "niqe":  # which has no ground truth to see that these waves are smooth
        assert (better > each(blurred, hr, lr, PROTOCOL)) == each.higher_is_better


@pytest.mark.parametrize("name", HERE)
def test_what_a_measure_needs_is_asked_for_and_nothing_else(name: str, pair: tuple) -> None:
    sr, hr, lr = pair
    each = MEASURES[name]
    given = {"hr": hr, "lr": lr}
    needed = {need: image if need in each.needs else None for need, image in given.items()}
    each(sr, needed["hr"], needed["lr"], PROTOCOL)
    for need in each.needs:
        lacking = given | {need: None}
        with pytest.raises(ValueError, match=f"{need} is missing; {name} needs it"):
            each(sr, lacking["hr"], lacking["lr"], PROTOCOL)


def test_only_decibels_have_a_ceiling_in_a_mean(pair: tuple) -> None:
    _, hr, lr = pair
    low = dataclasses.replace(PROTOCOL, ceiling=10.0)
    for name in HERE:
        each = MEASURES[name]
        value = each(hr, hr, lr, PROTOCOL)
        assert (value == math.inf) == (each.unit == "dB")
        assert each.for_mean(value, PROTOCOL) == (100 if each.unit == "dB" else value)
        assert each.for_mean(12.5, low) == (10 if each.unit == "dB" else 12.5)
    assert {each.for_mean(0.5, PROTOCOL) for each in MEASURES.values()} == {0.5}


def test_measures_come_in_the_order_that_is_asked_for() -> None:
    assert list(measures(["niqe", "psnr_y"])) == ["niqe", "psnr_y"]
    assert measures([]) == {}
    assert isinstance(measures(["niqe"])["niqe"], Measure)


def test_an_unknown_measure_is_refused() -> None:
    with pytest.raises(UserError, match="the measure 'psnr' is unknown; known are psnr_y, ssim_y"):
        measures(["psnr_y", "psnr"])
