from pathlib import Path

import numpy as np
import pytest
import torch

from mtlsr.data.interpolation import METHODS as KERNELS
from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationPair
from mtlsr.data.resize import bicubic_downscale
from mtlsr.errors import UserError
from mtlsr.inference.methods.network import NetworkMethod, Settings, foreign_network, own_network
from mtlsr.inference.methods.table import find_method, place
from mtlsr.networks.folder import load_model


def pair(seed: int = 0, size: tuple[int, int] = (24, 32)) -> EvaluationPair:
    hr = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    return EvaluationPair(str(seed), bicubic_downscale(hr, 2), hr)


def test_images_of_equal_size_are_enlarged_together_as_alone(tiny_model: Path) -> None:
    method = own_network(load_model(tiny_model)[0], Settings())
    pairs = [pair(seed) for seed in range(3)]
    together = method(pairs)
    for image, each in zip(together, pairs, strict=True):
        alone = method([each])[0]
        assert image.shape == each.hr.shape
        assert image.dtype == np.uint8
        assert np.abs(image.astype(int) - alone).max() <= 1
    assert not np.array_equal(together[0], together[1])


def test_a_function_is_a_method() -> None:
    def double(lr: torch.Tensor) -> torch.Tensor:
        return lr.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)

    method = NetworkMethod(double, 2, Settings())
    np.testing.assert_array_equal(method([pair()])[0], interpolate(pair().lr, 2, "nearest"))
    assert (method.scale, method.precision, method.module) == (2, "float32", None)


def test_bfloat16_computes_in_it_and_says_so(tiny_model: Path) -> None:
    network = load_model(tiny_model)[0]
    exact = own_network(network, Settings())
    reduced = own_network(network, Settings(precision=torch.bfloat16))
    assert reduced.precision == "bfloat16"
    ours, theirs = exact([pair()])[0].astype(int), reduced([pair()])[0].astype(int)
    assert 0 < np.abs(ours - theirs).max() < 40


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_enlarge_by_what_the_pair_asks_for(kernel: str) -> None:
    method = find_method(kernel, Settings())
    assert method.scale is None
    assert place(kernel) is None
    np.testing.assert_array_equal(method([pair()])[0], interpolate(pair().lr, 2, kernel))


def test_run_and_model_folders_are_networks(tiny_model: Path) -> None:
    for path in (tiny_model, tiny_model.parent):
        method = find_method(str(path), Settings())
        assert method.scale == 2
        assert method.module is not None
        assert place(str(path)) == tiny_model


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        UserError,
        match="'bicubc' does not exist; a run or model folder, x2, x3, x4, x4_real is needed",
    ):
        find_method("bicubc", Settings())
    with pytest.raises(ValueError, match="nowhere does not exist"):
        find_method("images:nowhere", Settings())


def test_tiles_and_eight_views_are_settings(tiny_model: Path) -> None:
    network = load_model(tiny_model)[0]
    large = pair(size=(320, 330))
    for mean in (False, True):
        whole, tiled = (
            own_network(network, Settings(self_ensemble=mean, tile=tile))([large])[0]
            for tile in (None, 80)
        )
        assert np.abs(whole.astype(int) - tiled).max() <= 1
        assert np.mean(whole != tiled) <= 1e-5


@pytest.mark.parametrize("tile", [64, "auto"])
def test_functions_of_others_are_not_cut(tile: int | str) -> None:
    with pytest.raises(UserError, match=rf"tile is {tile!r}, but how far onnx:a.onnx sees"):
        foreign_network("onnx:a.onnx", lambda lr: lr, 1, Settings(tile=tile))
