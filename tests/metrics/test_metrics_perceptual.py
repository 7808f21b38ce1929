"""LPIPS and DISTS: what is missing is said, nothing is fetched, and the figures are torchmetrics'.

The figures need torchvision, in which backbones with random weights stand in for the trained ones.
"""

import hashlib
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mtlsr.errors import UserError
from mtlsr.metrics import Protocol, dists, lpips, measures
from mtlsr.metrics import perceptual as room
from mtlsr.metrics.planes import planes

PROTOCOL = Protocol.preset("literature", 4)
NAMES = ["lpips", "dists"]
FUNCTIONS = {"lpips": lpips, "dists": dists}


@pytest.fixture(autouse=True)
def nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    for cached in (room._weights, room._network):
        cached.cache_clear()
    yield
    for cached in (room._weights, room._network):
        cached.cache_clear()


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_package_is_said(
    name: str, monkeypatch: pytest.MonkeyPatch, random_pair: Callable
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    expected = (
        rf"{name} needs torchvision .* torch {torch.__version__.split('+')[0]}.* pip install "
    )
    with pytest.raises(UserError, match=expected):
        measures(["psnr_y", name])
    with pytest.raises(UserError, match=expected):
        FUNCTIONS[name](*random_pair((64, 64, 3)), PROTOCOL)


def test_a_package_that_does_not_go_with_torch_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    broken = "raise RuntimeError('operator torchvision::nms does not exist')"
    (tmp_path / "torchvision.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match=r"in the build that goes with torch .*nms does not exist"):
        measures(["lpips"])


def test_an_image_too_small_for_the_backbones_is_refused(random_pair: Callable) -> None:
    for name, function in FUNCTIONS.items():
        with pytest.raises(ValueError, match=f"is 31 x 56; allowed for {name}: at least 32 pixels"):
            function(*random_pair((39, 64, 3)), PROTOCOL)


# ---- with torchvision --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as torch.hub's, with AlexNet and VGG-16 of random weights under their own hashes."""
    models = pytest.importorskip("torchvision.models", reason="needs torchvision")
    folder = tmp_path_factory.mktemp("hub")
    (folder / "checkpoints").mkdir()
    torch.manual_seed(0)
    for name in ("alexnet", "vgg16"):
        file = folder / "checkpoints" / f"{name}.pth"
        torch.save(getattr(models, name)(weights=None).state_dict(), file)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        file.rename(file.with_name(f"{name}-{digest[:8]}.pth"))
    return folder


@pytest.fixture
def hub(backbones: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """That folder in torch.hub's place; torchvision names its files."""
    from torchvision import models

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(backbones))
    for weights in (models.AlexNet_Weights.DEFAULT, models.VGG16_Weights.DEFAULT):
        short = weights.url.rpartition("/")[2].partition("-")[0]
        (file,) = (backbones / "checkpoints").glob(f"{short}-*")
        monkeypatch.setattr(weights.value, "url", f"https://example.org/{file.name}")
    return backbones


@pytest.mark.parametrize("name", NAMES)
def test_missing_weights_are_said_and_not_fetched(
    name: str, hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=rf"{name} needs {tmp_path}/checkpoints/.*\.pth.*fetch it"):
        measures([name])


def test_weights_that_are_others_are_refused(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    for file in (hub / "checkpoints").iterdir():
        (tmp_path / "checkpoints" / file.name).write_bytes(b"others")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"is not the file of https://example.org/alexnet"):
        measures(["lpips"])


def test_the_figures_are_those_of_torchmetrics(hub: Path, random_pair: Callable) -> None:
    from torchmetrics.functional.image import (
        deep_image_structure_and_texture_similarity as torch_dists,
    )
    from torchmetrics.functional.image import (
        learned_perceptual_image_patch_similarity as torch_lpips,
    )

    sr, hr = random_pair((72, 81, 3))
    a, b = (
        torch.from_numpy(np.moveaxis(plane, 2, 0)[None] / 255).float()
        for plane in planes(sr, hr, PROTOCOL, "rgb")
    )
    expected = {
        "lpips": float(torch_lpips(a, b, normalize=True)),
        "dists": float(torch_dists(a, b)),
    }
    for name, measure in measures(NAMES).items():
        found = measure(sr, hr, None, PROTOCOL)
        assert found == pytest.approx(expected[name], abs=1e-6)
        assert found > 1e-4
        assert measure(hr, hr, None, PROTOCOL) == pytest.approx(0, abs=1e-6)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert measure(sr, hr, None, PROTOCOL) == found
