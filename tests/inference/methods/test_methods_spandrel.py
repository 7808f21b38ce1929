"""Checkpoints of other projects. Most of it needs spandrel, which needs torchvision."""

import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationPair
from mtlsr.errors import UserError
from mtlsr.inference.methods import spandrel as room
from mtlsr.inference.methods.network import Settings
from mtlsr.inference.methods.spandrel import spandrel_network

try:
    import spandrel
except Exception:  # it is not there, or its torchvision is of another torch
    spandrel = None

needs_spandrel = pytest.mark.skipif(spandrel is None, reason="spandrel cannot be imported here")


def compact(scale: int = 4) -> dict[str, torch.Tensor]:
    """Weights of a small SRVGGNetCompact (Real-ESRGAN's): nearest and what its body adds."""
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1), nn.PReLU(8)]
    layers += [nn.Conv2d(8, 8, 3, padding=1), nn.PReLU(8)]
    layers += [nn.Conv2d(8, 3 * scale**2, 3, padding=1)]
    weights = nn.Sequential(*layers).state_dict()
    return {f"body.{name}": value for name, value in weights.items()}


def pair(scale: int = 4) -> EvaluationPair:
    lr = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return EvaluationPair("", lr, np.zeros((7 * scale, 9 * scale, 3), np.uint8))


@needs_spandrel
def test_a_checkpoint_is_a_method(tmp_path: Path) -> None:
    weights = compact()
    weights["body.4.weight"].zero_()
    weights["body.4.bias"].zero_()
    torch.save({"params_ema": weights}, tmp_path / "net.pth")
    method = spandrel_network(tmp_path / "net.pth", Settings())
    assert method.scale == 4
    assert method.module is not None
    assert sum(p.numel() for p in method.module.parameters()) == sum(
        value.numel() for value in weights.values()
    )
    np.testing.assert_array_equal(method([pair()])[0], interpolate(pair().lr, 4, "nearest"))


@needs_spandrel
def test_safetensors_and_pickled_files_give_the_same(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    torch.save(compact(), tmp_path / "net.pth")
    save_file(compact(), tmp_path / "net.safetensors")
    first, second = (
        spandrel_network(tmp_path / f"net.{suffix}", Settings())([pair()])[0]
        for suffix in ("pth", "safetensors")
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, interpolate(pair().lr, 4, "nearest"))


@needs_spandrel
def test_a_checkpoint_that_spandrel_does_not_know_is_named(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3, 3)}, tmp_path / "odd.pth")
    with pytest.raises(UserError, match=r"odd\.pth is of no architecture that spandrel knows\."):
        spandrel_network(tmp_path / "odd.pth", Settings())


@needs_spandrel
def test_a_network_that_does_not_enlarge_is_named(tmp_path: Path) -> None:
    torch.save(compact(scale=1), tmp_path / "one.pth")
    with pytest.raises(UserError, match=r"one\.pth is a network of .* that does not enlarge\."):
        spandrel_network(tmp_path / "one.pth", Settings())


class Trap:
    """An object whose loading would leave a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def some_spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of that name, so that files are looked at on machines without it, too."""
    if spandrel is None:
        monkeypatch.setitem(sys.modules, "spandrel", ModuleType("spandrel"))
        monkeypatch.setattr(room, "find_spec", lambda name: object())


def test_nothing_in_a_file_is_executed(tmp_path: Path, some_spandrel: None) -> None:
    torch.save({"params": Trap(tmp_path / "sprung")}, tmp_path / "trap.pth")
    with pytest.raises(UserError, match=r"trap\.pth cannot be read: .* holds more than tensors"):
        spandrel_network(tmp_path / "trap.pth", Settings())
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors", "cut.pt"])
def test_a_damaged_file_is_named(tmp_path: Path, some_spandrel: None, name: str) -> None:
    (tmp_path / name).write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match=rf"{name} cannot be read"):
        spandrel_network(tmp_path / name, Settings())
    with pytest.raises(UserError, match=r"spandrel:nowhere\.pth does not exist"):
        spandrel_network("nowhere.pth", Settings())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=r"needs the package spandrel: pip install 'mtlsr\[spandrel"
    ):
        spandrel_network("net.pth", Settings())


def test_a_package_that_cannot_be_imported_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "spandrel.py"
    package.write_text("raise RuntimeError('operator torchvision::nms does not exist')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    with pytest.raises(UserError, match=r"cannot be imported \(operator torchvision::nms does not"):
        spandrel_network("net.pth", Settings())
