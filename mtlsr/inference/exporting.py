"""A trained network as an ONNX file, which other programs run.

The file is one function with its weights: `input`, float32 (N, 3, h, w) of RGB in [0, 1], any N,
h and w -> `output`, float32 (N, 3, s·h, s·w), clamped to [0, 1]. Its properties name the scale.

Torch's own formats are left out: TorchScript is deprecated, and torch.export's programs hold guards
that refuse the smallest images.
"""

import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from mtlsr.errors import UserError
from mtlsr.inference.device import computing, ready
from mtlsr.inference.methods.network import Settings
from mtlsr.inference.methods.onnx import onnx_network
from mtlsr.networks.base import SRNetwork

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
"""What writing and comparing needs; the extra `onnx` brings them."""

TOLERANCE = 1e-4
"""How far a file's output may be from the network's, of intensities in [0, 1]."""

SIZES = ((1, 1), (24, 24), (19, 35), (5, 900))
"""Height and width of the images on which a file is compared with the network."""

OPSET = 18
"""Version of ONNX's operators: what runtimes of 2023 and later know."""


class Enlargement(nn.Module):
    """The function that a file holds.

    Args:
        network: The form that enlarges; see `ready`.
    """

    def __init__(self, network: SRNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, input: Tensor) -> Tensor:
        """Enlarge `input`; see the module."""
        sr: Tensor = self.network.enlarged(input)
        return sr.clamp(0, 1)


def check_packages() -> None:
    """Refuse to export where a package is missing (UserError)."""
    missing = [package for package in PACKAGES if find_spec(package) is None]
    if missing:
        raise UserError(f"format=onnx needs {', '.join(missing)}: pip install 'mtlsr[onnx]'.")


def export_onnx(network: SRNetwork, path: Path) -> float:
    """Write a network as an ONNX file, and compare what the file gives with what the network gives.

    Args:
        network: With its weights.
        path: The file, which is replaced as a whole where there is one.

    Returns:
        The largest difference of an output value that was seen.

    Raises:
        UserError: A missing package, or a file that does not give what the network gives; nothing
            is written then.
    """
    check_packages()
    function = Enlargement(ready(network, torch.device("cpu")))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        unfinished = Path(scratch, path.name)
        with _silence():
            _write(function, unfinished)
        difference = largest_difference(function, onnx_network(unfinished, Settings()).enlarge)
        if not difference <= TOLERANCE:
            raise UserError(
                f"the file differs from the network by {difference:.2g} at the most, more than "
                f"{TOLERANCE:g}: it was not kept."
            )
        os.replace(unfinished, path)
    return difference


def largest_difference(function: nn.Module, loaded: Callable[[Tensor], Tensor]) -> float:
    """The largest difference of two functions on noise of several sizes, two images at a time."""
    generator = torch.Generator().manual_seed(0)
    differences = []
    with computing(torch.device("cpu"), torch.float32):
        for size in SIZES:
            images = torch.rand(2, 3, *size, generator=generator)
            differences.append((function(images) - loaded(images)).abs().max().item())
    return max(differences)


def _write(function: Enlargement, path: Path) -> None:
    program = torch.onnx.export(
        function,
        (torch.full((2, 3, 33, 47), 0.5),),  # no two open sizes are equal, and none is 1
        input_names=["input"],
        output_names=["output"],
        dynamic_shapes={"input": {0: "batch", 2: "height", 3: "width"}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    assert program is not None  # only the older exporter returns none
    program.model.metadata_props.update(
        scale=str(function.network.scale), producer=f"mtlsr {version('mtlsr')}"
    )
    program.save(path, external_data=False)


@contextmanager
def _silence() -> Iterator[None]:
    """Torch's exporter talks about itself: how many nodes it removed, which packages it lacks."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
