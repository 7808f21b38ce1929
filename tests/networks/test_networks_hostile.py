"""Model folders that a stranger made: refused with a sentence, and nothing of them runs."""

import json
import pickle
import shutil
import struct
from pathlib import Path

import pytest
import torch

from mtlsr.networks.folder import ModelError, load_model


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def configure(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


class Evil:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize(
    "restoration",
    [
        {"_target_": "os.system", "command": "touch victim"},
        {"name": "os.system", "command": "touch victim"},
        {"name": "unet", "_target_": "os.system"},
        {"name": "../../unet"},
        {"name": "/etc/passwd"},
        {"name": ["unet"]},
        "os.system",
    ],
)
def test_a_configuration_can_only_name_networks_of_the_table(folder, monkeypatch, restoration):
    monkeypatch.chdir(folder)
    configure(folder, restoration=restoration)
    before = sorted(folder.iterdir())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(folder)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("kind", ["bare", "zip"])
def test_weights_that_are_a_pickle_are_not_unpickled(folder, tmp_path, kind):
    victim = tmp_path / "victim"
    weights = folder / "model.safetensors"
    if kind == "bare":
        weights.write_bytes(pickle.dumps(Evil(victim)))
    else:
        torch.save(Evil(victim), weights)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(folder)
    assert not victim.exists()


def tensors(header: dict[str, object]) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 10**12) + b"{}",
        tensors({"x": {"dtype": "F32", "shape": [25 * 10**10], "data_offsets": [0, 10**12]}}),
        tensors({"x": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}})
        + bytes(4),
    ],
)
def test_weights_that_claim_a_terabyte_are_refused(folder, content):
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(folder)


@pytest.mark.parametrize(
    ("realism", "said"),
    [
        ({"widths": [10**9, 10**9]}, "holds the number 1000000000; 4096 is the most"),
        ({"units": [10**9, 1]}, "holds the number 1000000000"),
        ({"first": float("inf")}, "holds the number inf"),
        ({"widths": [4096, 4096]}, "bytes of weights, model.safetensors has"),
    ],
)
def test_a_network_that_would_fill_the_memory_is_not_built(folder, realism, said):
    configured = json.loads((folder / "config.json").read_text())["realism"]
    configure(folder, realism=configured | realism)
    with pytest.raises(ModelError, match=said):
        load_model(folder)


@pytest.mark.parametrize("content", ["[" * 10**5, " " * (2 << 20) + "{}"])
def test_a_configuration_of_no_sensible_form_is_refused(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"is not JSON|too long"):
        load_model(folder)
