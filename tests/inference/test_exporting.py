"""ONNX files: what they hold, that they give what the network gives, and that none is half-made."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mtlsr import Upscaler
from mtlsr.errors import UserError
from mtlsr.inference import exporting
from mtlsr.inference.exporting import Enlargement, export_onnx, largest_difference
from mtlsr.networks.bundled import bundled
from mtlsr.networks.folder import load_model
from mtlsr.networks.table import build_pair

pytest.importorskip("onnxscript", reason="onnxscript is not installed")
import onnx
import onnxruntime

PAIRS = {
    "residual": ({"name": "residual", "first": 4, "widths": [6, 6, 8], "units": [1, 1, 0]},
                 {"name": "unet", "units": [1, 1, 1]}),
    "attention": ({"name": "attention", "first": 4, "widths": [6, 8], "units": [1, 1]},
                  {"name": "unet_large", "units": [1, 1, 1], "widths": [6, 8, 8]}),
    "seed": ({"name": "seed", "widths": [4, 6], "units": [1, 1]},
             {"name": "seed", "kernels": [3, 3]}),
}  # fmt: skip
HEIGHTS_AND_WIDTHS = [
    (1, 1), (1, 9), (9, 1), (2, 3), (5, 5), (7, 16), (16, 16), (17, 31), (32, 48), (33, 64),
    (64, 21), (100, 75), (16, 2000), (1500, 3),
]  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "new folder" / "tiny.onnx"
    assert export_onnx(load_model(tiny_model)[0], path) < 1e-5
    return path


def test_the_file_is_whole_plain_and_open_in_all_sizes(file):
    model = onnx.load(file)
    onnx.checker.check_model(model)
    assert {node.domain for node in model.graph.node} == {""}  # no operators of anybody's own
    assert not model.functions
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 18)]
    properties = {each.key: each.value for each in model.metadata_props}
    assert properties["scale"] == "2"
    assert properties["producer"].startswith("mtlsr ")
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.shape) == ("input", ["batch", 3, "height", "width"])
    assert (made.name, made.shape[:2]) == ("output", ["batch", 3])
    assert [path.name for path in file.parent.iterdir()] == ["tiny.onnx"]


@pytest.mark.parametrize("size", HEIGHTS_AND_WIDTHS)
def test_the_file_gives_what_the_upscaler_gives(file, tiny_model, size):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    images = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
    (made,) = session.run(None, {"input": images.numpy()})
    expected = Upscaler.from_pretrained(tiny_model)(images)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected.numpy(), atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [3, 4])
@pytest.mark.parametrize("pair", PAIRS)
def test_every_pair_can_be_exported(tmp_path, pair, scale):
    torch.manual_seed(0)
    network = build_pair(*PAIRS[pair], scale=scale, vector_size=5, structure_channels=2)
    assert export_onnx(network, tmp_path / "pair.onnx") < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled())
def test_what_comes_with_the_package_can_be_exported(tmp_path, name):
    network = load_model(bundled()[name])[0]
    export_onnx(network, tmp_path / "bundled.onnx")
    model = onnx.load(tmp_path / "bundled.onnx")
    assert {node.domain for node in model.graph.node} == {""}
    session = onnxruntime.InferenceSession(
        tmp_path / "bundled.onnx", providers=["CPUExecutionProvider"]
    )
    upscaler = Upscaler.from_pretrained(name, precision="float32")
    for size in HEIGHTS_AND_WIDTHS:
        image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(sum(size)))
        (made,) = session.run(None, {"input": image.numpy()})
        np.testing.assert_allclose(made, upscaler(image).numpy(), atol=1e-4, rtol=0)


class Shifted(torch.nn.Module):
    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + self.by


def test_the_largest_difference_is_found():
    found = largest_difference(Shifted(0.25), lambda images: images)
    assert found == pytest.approx(0.25)


@pytest.mark.parametrize("difference", [2e-4, float("nan")])
def test_a_file_that_differs_is_not_kept(tmp_path, tiny_model, monkeypatch, difference):
    def write(function: Enlargement, path: Path) -> None:
        path.write_bytes(b"onnx")

    class Loaded:
        enlarge = None

    monkeypatch.setattr(exporting, "_write", write)
    monkeypatch.setattr(exporting, "onnx_network", lambda path, settings: Loaded)
    monkeypatch.setattr(exporting, "largest_difference", lambda function, loaded: difference)
    (tmp_path / "net.onnx").write_bytes(b"before")
    with pytest.raises(
        UserError, match=r"the file differs from the network by .*: it was not kept"
    ):
        export_onnx(load_model(tiny_model)[0], tmp_path / "net.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    assert (tmp_path / "net.onnx").read_bytes() == b"before"


def test_missing_packages_are_named(tmp_path, tiny_model, monkeypatch):
    monkeypatch.setattr(exporting, "find_spec", lambda package: None)
    with pytest.raises(UserError, match=r"needs onnx, onnxscript, onnxruntime: pip install 'mtlsr"):
        export_onnx(load_model(tiny_model)[0], tmp_path / "net.onnx")
