"""ONNX files of known content: repetition of pixels, and what may be wrong with a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationPair
from mtlsr.errors import UserError
from mtlsr.inference.methods import onnx as room
from mtlsr.inference.methods.network import Settings
from mtlsr.inference.methods.onnx import _windows, onnx_network

needs_onnx = pytest.mark.skipif(
    room.find_spec("onnx") is None or room.find_spec("onnxruntime") is None,
    reason="onnx and onnxruntime are not installed",
)

DYNAMIC = ("n", 3, "h", "w")


def repeating(
    path: Path, shape: tuple[Any, ...] = DYNAMIC, scale: int = 2, number: str = "FLOAT"
) -> Path:
    """A file that repeats every pixel, after a 3x3 mean that replicates the border.

    Pixels depend on their neighbours, so that windows that do not overlap would show.
    """
    from onnx import TensorProto, checker, helper, numpy_helper, save

    kind = getattr(TensorProto, number)
    dtype = {"FLOAT": np.float32, "FLOAT16": np.float16, "UINT8": np.uint8}[number]
    weight = np.full((3, 1, 3, 3), 1 / 9, dtype)
    pads = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64)
    scales = np.array([1, 1, scale, scale], np.float32)
    nodes = [
        helper.make_node("Pad", ["lr", "pads"], ["padded"], mode="edge"),
        helper.make_node("Conv", ["padded", "weight"], ["mean"], group=3),
        helper.make_node(
            "Resize", ["mean", "", "scales"], ["sr"], mode="nearest",
            coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
    ]  # fmt: skip
    if number == "UINT8":
        nodes = [helper.make_node("Identity", ["lr"], ["sr"])]
    graph = helper.make_graph(
        nodes,
        "repeating",
        [helper.make_tensor_value_info("lr", kind, shape)],
        [helper.make_tensor_value_info("sr", kind, ("m", "c", "height", "width"))],
        [
            numpy_helper.from_array(array, name)
            for name, array in (("weight", weight), ("pads", pads), ("scales", scales))
            if number != "UINT8"
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, path)
    return path


def expected(lr: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    padded = np.pad(lr.astype(np.int64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    total = sum(
        padded[row : row + lr.shape[0], column : column + lr.shape[1]]
        for row in range(3)
        for column in range(3)
    )
    return interpolate(((2 * total + 9) // 18).astype(np.uint8), scale, "nearest")


def pair(height: int, width: int, seed: int = 0) -> EvaluationPair:
    lr = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return EvaluationPair("", lr, np.zeros((2 * height, 2 * width, 3), np.uint8))


@needs_onnx
@pytest.mark.parametrize(
    "shape",
    [
        DYNAMIC,
        (1, 3, "h", "w"),
        (1, 3, 40, 48),  # one window, or one that reaches beyond the image
        (1, 3, 16, 20),  # several
        (2, 3, "h", 20),
        (1, None, None, 17),
    ],
)
def test_sizes_left_open_and_fixed_ones_give_the_same(tmp_path: Path, shape: Any) -> None:
    if shape[0] == 2:
        shape = ("n", *shape[1:])
    method = onnx_network(repeating(tmp_path / "net.onnx", shape), Settings())
    assert (method.scale, method.precision) == (2, "float32")
    for height, width in ((40, 48), (33, 61), (5, 7)):
        pairs = [pair(height, width, seed) for seed in range(2)]
        for image, each in zip(method(pairs), pairs, strict=True):
            assert np.abs(image.astype(int) - expected(each.lr, 2)).max() <= 1


@needs_onnx
def test_the_scale_is_the_files_own(tmp_path: Path) -> None:
    assert onnx_network(repeating(tmp_path / "net.onnx", scale=3), Settings()).scale == 3


@needs_onnx
def test_half_precision_is_taken_and_named(tmp_path: Path) -> None:
    method = onnx_network(repeating(tmp_path / "net.onnx", number="FLOAT16"), Settings())
    assert method.precision == "float16"
    image = method([pair(9, 11)])[0]
    assert np.abs(image.astype(int) - expected(pair(9, 11).lr, 2)).max() <= 2


@needs_onnx
def test_the_files_own_precision_counts(tmp_path: Path) -> None:
    path = repeating(tmp_path / "net.onnx")
    assert onnx_network(path, Settings(precision=torch.bfloat16)).precision == "float32"


@needs_onnx
def test_a_file_that_cannot_take_a_size_says_so(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper, save

    shape = numpy_helper.from_array(np.array([1, 3, 64, 64], np.int64), "shape")
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 3, f"{name}h", f"{name}w"))
        for name in ("lr", "sr")
    ]
    node = helper.make_node("Reshape", ["lr", "shape"], ["sr"])
    graph = helper.make_graph([node], "inner", ends[:1], ends[1:], [shape])
    opset = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "inner.onnx")
    with pytest.raises(UserError, match=r"inner.onnx cannot enlarge 32x32 pixels: .*[Rr]eshape"):
        onnx_network(tmp_path / "inner.onnx", Settings())


@needs_onnx
@pytest.mark.parametrize(
    ("shape", "number", "scale", "said"),
    [
        (("n", 3, "h", "w"), "UINT8", 2, r"takes tensor\(uint8\) .*; one float image"),
        (("n", 1, "h", "w"), "FLOAT", 2, "takes images of 1 channels; 3 are needed"),
        ((3, "h", "w"), "FLOAT", 2, "one float image"),
    ],
)
def test_a_file_that_takes_something_else_is_named(
    tmp_path: Path, shape: Any, number: str, scale: int, said: str
) -> None:
    from onnx import TensorProto, helper, save

    kind = getattr(TensorProto, number)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["lr"], ["sr"])],
        "identity",
        [helper.make_tensor_value_info("lr", kind, shape)],
        [helper.make_tensor_value_info("sr", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, tmp_path / "odd.onnx")
    with pytest.raises(UserError, match=rf"odd\.onnx .*{said}"):
        onnx_network(tmp_path / "odd.onnx", Settings())


@needs_onnx
def test_a_file_that_is_no_onnx_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    with pytest.raises(UserError, match=r"onnx:.*bad\.onnx cannot be loaded: ") as caught:
        onnx_network(tmp_path / "bad.onnx", Settings())
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"onnx:nowhere\.onnx does not exist"):
        onnx_network("nowhere.onnx", Settings())


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs the package onnxruntime: pip install 'mtlsr\[onnx"):
        onnx_network("net.onnx", Settings())


@pytest.mark.parametrize("window", [1, 2, 3, 7, 16, 40, 64])
@pytest.mark.parametrize("size", [1, 5, 16, 39, 40, 41, 100])
def test_windows_cover_an_axis_once_and_keep_away_from_their_ends(size: int, window: int) -> None:
    kept = []
    for each in _windows(size, window, scale=2):
        assert each.source.stop - each.source.start == window
        assert each.target.stop - each.target.start == each.kept.stop - each.kept.start
        begin, end = each.target.start // 2, each.target.stop // 2
        kept += range(begin, end)
        overlap = min(16, (window - 1) // 3)
        assert begin == 0 or begin - each.source.start >= overlap
        assert end == size or each.source.stop - end >= overlap
    assert kept == list(range(size))
