from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mtlsr.data.pairs import EvaluationPair
from mtlsr.data.resize import resize
from mtlsr.inference.ensemble import VIEWS, mean_of_views, self_ensemble, viewed, viewed_back
from mtlsr.inference.methods.network import NetworkMethod, Settings, foreign_network, own_network
from mtlsr.inference.upscaler import Upscaler
from mtlsr.networks.folder import load_model


def bicubic(lr: Tensor) -> Tensor:
    return resize(lr, (2 * lr.shape[-2], 2 * lr.shape[-1]))


def test_views_are_the_eight_symmetries_of_a_square_and_can_be_undone() -> None:
    image = torch.rand(1, 2, 3, 3)
    seen = {tuple(viewed(image, view).flatten().tolist()) for view in VIEWS}
    turned = [torch.rot90(each, k, (-2, -1)) for each in (image, image.mT) for k in range(4)]
    assert seen == {tuple(each.flatten().tolist()) for each in turned}
    oblong = torch.rand(1, 2, 3, 5)
    for view in VIEWS:
        torch.testing.assert_close(viewed_back(viewed(oblong, view), view), oblong, rtol=0, atol=0)


def test_one_view_is_no_copy() -> None:
    image = torch.rand(1, 3, 4, 5)
    assert viewed(image, 0).data_ptr() == viewed_back(image, 0).data_ptr() == image.data_ptr()
    assert mean_of_views(lambda view: image, [0]).data_ptr() == image.data_ptr()


def test_eight_views_leave_what_they_are_the_mean_of() -> None:
    image = torch.rand(1, 3, 4, 4)
    before = image.clone()
    mean_of_views(lambda view: image)
    assert torch.equal(image, before)


def test_what_is_the_same_in_all_directions_is_its_own_mean() -> None:
    lr = torch.rand(2, 3, 7, 10)
    torch.testing.assert_close(self_ensemble(bicubic)(lr), bicubic(lr))


def test_the_mean_is_the_same_for_every_view_of_an_image() -> None:
    torch.manual_seed(0)
    lopsided = torch.nn.Conv2d(3, 3, 3, padding=1).requires_grad_(False)
    enlarge = self_ensemble(lambda lr: bicubic(lopsided(lr)))
    lr = torch.rand(1, 3, 6, 9)
    assert (bicubic(lopsided(lr)) - enlarge(lr)).abs().max() > 0.01
    for view in VIEWS:
        torch.testing.assert_close(enlarge(viewed(lr, view)), viewed(enlarge(lr), view))


def test_mean_is_taken_before_values_are_clamped() -> None:
    """As the authors' code does: what leaves [0, 1] in one view may come back in the mean."""

    def brighter_at_the_top(lr: Tensor) -> Tensor:
        return lr + torch.linspace(1, -1, lr.shape[-2])[:, None]

    lr = torch.full((1, 3, 2, 2), 0.5)
    torch.testing.assert_close(self_ensemble(brighter_at_the_top)(lr), lr)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_upscaler_and_method_agree_and_differ_from_one_view(
    tiny_model: Path, precision: str
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    once = Upscaler.from_pretrained(tiny_model, "cpu", precision)(image)
    mean = Upscaler.from_pretrained(tiny_model, "cpu", precision, self_ensemble=True)(image)
    assert not np.array_equal(once, mean)
    settings = Settings(precision=getattr(torch, precision), self_ensemble=True)
    method = own_network(load_model(tiny_model)[0], settings)
    np.testing.assert_array_equal(method([EvaluationPair("", image, mean)])[0], mean)


def test_any_function_can_be_a_method_of_eight_views() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    seen: list[torch.Size] = []

    def noted(lr: Tensor) -> Tensor:
        seen.append(lr.shape[-2:])
        return bicubic(lr)

    pair = EvaluationPair("", image, np.zeros((18, 24, 3), np.uint8))
    (eight,) = foreign_network("noted", noted, 2, Settings(self_ensemble=True))([pair])
    (one,) = NetworkMethod(bicubic, 2, Settings())([pair])
    assert sorted(seen) == [(9, 12)] * 4 + [(12, 9)] * 4
    assert np.abs(eight.astype(int) - one).max() <= 1
