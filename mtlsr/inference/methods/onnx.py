"""ONNX files as methods, by onnxruntime."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mtlsr.errors import UserError
from mtlsr.inference.methods.network import NetworkMethod, Settings, foreign_network

TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
"""Numbers that a file may take and give, in onnxruntime's words."""

PROBE = 32
"""Side of the image by which the scale of a file is found, where it takes any size."""

OVERLAP = 16
"""Pixels of low resolution that windows share at each side, at the most."""


def onnx_network(path: str | Path, settings: Settings) -> NetworkMethod:
    """An ONNX file that takes float (N, 3, h, w) in [0, 1] and gives (N, 3, s·h, s·w).

    A file of a fixed size sees windows of that size, which overlap; smaller images are continued by
    their border. A file of a fixed batch size of 1 sees one image at a time.

    Args:
        path: The file.
        settings: `precision` is the file's own.

    Raises:
        UserError: onnxruntime is missing, cannot load the file, or the file takes or gives
            something else, or tiles are wanted.
    """
    graph = _Graph(Path(path), settings.device)
    used = replace(settings, precision=torch.float32)
    network = foreign_network(f"onnx:{path}", graph, graph.scale, used)
    network.precision = np.dtype(graph.type).name
    return network


class _Graph:
    """The function in a file."""

    def __init__(self, path: Path, device: torch.device) -> None:
        self.path = path
        self.session = _session(path, device)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in TYPES:
            listed = ", ".join(f"{each.type} {each.shape}" for each in inputs)
            raise UserError(f"{path} takes {listed}; one float image (N, 3, h, w) is needed.")
        self.name, self.type = inputs[0].name, TYPES[inputs[0].type]
        self.output = outputs[0].name
        batch, channels, *sides = inputs[0].shape
        if isinstance(channels, int) and channels != 3:
            raise UserError(f"{path} takes images of {channels} channels; 3 are needed.")
        self.single = batch == 1
        self.window = tuple(side if isinstance(side, int) else None for side in sides)
        self.scale = self._scale()

    def __call__(self, lr: Tensor) -> Tensor:
        if self.single and len(lr) > 1:
            return torch.cat([self(image[None]) for image in lr])
        height, width = lr.shape[2:]
        rows, columns = (
            list(_windows(size, window or size, self.scale))
            for size, window in zip((height, width), self.window, strict=True)
        )
        lr = self._filled(lr)
        sr = lr.new_empty(len(lr), 3, self.scale * height, self.scale * width)
        for row in rows:
            for column in columns:
                enlarged = self._run(lr[:, :, row.source, column.source])
                sr[:, :, row.target, column.target] = enlarged[:, :, row.kept, column.kept]
        return sr

    def _filled(self, lr: Tensor) -> Tensor:
        """The image, continued to the window's size where it is smaller."""
        sizes = zip(lr.shape[2:], self.window, strict=True)
        bottom, right = (max((window or size) - size, 0) for size, window in sizes)
        return F.pad(lr, (0, right, 0, bottom), mode="replicate") if bottom or right else lr

    def _run(self, lr: Tensor) -> Tensor:
        given = np.ascontiguousarray(lr.numpy(force=True), self.type)
        try:
            (enlarged,) = self.session.run([self.output], {self.name: given})
        except Exception as error:  # onnxruntime's have no base of their own
            size = "x".join(map(str, lr.shape[2:]))
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"{self.path} cannot enlarge {size} pixels: {reason}") from error
        return torch.from_numpy(np.asarray(enlarged, np.float32)).to(lr.device)

    def _scale(self) -> int:
        height, width = (side or PROBE for side in self.window)
        enlarged = self._run(torch.full((1, 3, height, width), 0.5))
        scale = enlarged.shape[-1] // width
        if enlarged.shape != (1, 3, scale * height, scale * width) or scale < 1:
            made, wanted = tuple(enlarged.shape), (1, 3, height, width)
            raise UserError(f"{self.path} makes {made} of {wanted}; it is no enlargement.")
        return scale


class _Window:
    """A stretch of one axis: what is read, which of its result is kept, and where that goes."""

    def __init__(self, start: int, window: int, first: int, last: int, scale: int) -> None:
        self.source = slice(start, start + window)
        self.kept = slice(scale * (first - start), scale * (last - start))
        self.target = slice(scale * first, scale * last)


def _windows(size: int, window: int, scale: int) -> Iterator[_Window]:
    """Windows of one size that cover an axis; each keeps what no other sees better."""
    overlap = min(OVERLAP, (window - 1) // 3)
    starts = [*range(0, max(size - window, 0), window - 2 * overlap), max(size - window, 0)]
    first = 0
    for index, start in enumerate(starts):
        last = size if index == len(starts) - 1 else start + window - overlap
        yield _Window(start, window, first, last, scale)
        first = last


def _session(path: Path, device: torch.device) -> Any:
    if find_spec("onnxruntime") is None:
        raise UserError(
            f"model=onnx:{path} needs the package onnxruntime: pip install 'mtlsr[onnx]'."
        )
    if not path.is_file():
        raise UserError(f"onnx:{path} does not exist; an ONNX file is needed.")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what is wrong comes as an exception
    wanted = ["CUDAExecutionProvider"] if device.type == "cuda" else []
    there = onnxruntime.get_available_providers()
    providers = [name for name in [*wanted, "CPUExecutionProvider"] if name in there]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's own kinds share no base class
        raise UserError(f"onnx:{path} cannot be loaded: {str(error).splitlines()[0]}") from error
