"""Enlarging a whole image, beside the network's convolutions alone."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mtlsr.inference.device import computing, ready
from mtlsr.inference.exporting import check_packages, export_onnx
from mtlsr.inference.methods.network import Settings
from mtlsr.inference.methods.onnx import onnx_network
from mtlsr.networks.base import SRNetwork
from mtlsr.runs import build, hardware
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.timing.common import Figure, clocked, interleaved

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)

CHOICES = ("compiled", "onnx")
"""What is measured beside the network as it is."""


def inference(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Milliseconds of the configured network for each size of `inference.sizes`.

    The limit is the sum of its convolutions, each timed alone at its own shape, in the same numbers
    and memory format. Ratio: how many times as long; at most 1.2 is wanted.

    - `<h>x<w>/float32`: as `Upscaler` computes.
    - `<h>x<w>/bfloat16`: the same in bfloat16, where the hardware computes in it.
    - `<h>x<w>/compiled`: by `torch.compile`, in float32, after its warm-up.
    - `<h>x<w>/onnx`: by ONNX Runtime, in float32.
    """
    device = hardware.device(cfg)
    network = ready(build.networks(cfg), device)
    figures: dict[str, Figure] = {}
    for height, width in cfg.inference.sizes:
        image = torch.rand(1, 3, height, width, device=device)
        image = image.contiguous(memory_format=torch.channels_last)
        types = {"float32": torch.float32}
        if hardware.precision(cfg) == "bf16-mixed":
            types["bfloat16"] = torch.bfloat16
        works: dict[str, Callable[[], float]] = {}
        for name, precision in types.items():
            works[name] = _timed(network.enlarged, image, precision, device)
            works[f"{name} alone"] = _alone(network, image, precision, device)
        if "compiled" in cfg.inference.choices:
            compiled = torch.compile(copy.deepcopy(network).enlarged)
            works["compiled"] = _timed(compiled, image, torch.float32, device)
        if "onnx" in cfg.inference.choices:
            works["onnx"] = _onnx(network, image, folder / "scratch" / "model.onnx")
        interleaved(works, 2)  # warm-up
        found = interleaved(works, cfg.repeats)
        for name in [*types, *cfg.inference.choices]:
            limit = found["bfloat16 alone" if name == "bfloat16" else "float32 alone"]
            figures[f"{height}x{width}/{name}"] = Figure.of(found[name], limit, "ms", 1000)
    return figures


def _timed(
    enlarge: Callable[[Tensor], Tensor],
    image: Tensor,
    precision: torch.dtype,
    device: torch.device,
) -> Callable[[], float]:
    def seconds() -> float:
        with computing(device, precision):
            return clocked(lambda: enlarge(image), device)

    return seconds


def _alone(
    network: SRNetwork, image: Tensor, precision: torch.dtype, device: torch.device
) -> Callable[[], float]:
    """The sum of the seconds of each convolution of a network, on inputs of its own shape."""
    grouped = {layer.groups for layer in network.modules() if isinstance(layer, CONVOLUTIONS)}
    noted = _Convolutions(grouped)
    with computing(device, precision), noted:
        network.enlarged(image)

    def seconds() -> float:
        with computing(device, torch.float32):  # the numbers are those of the inputs
            return sum(
                clocked(partial(torch.ops.aten.convolution, *given), device)
                for given in noted.calls
            )

    return seconds


class _Convolutions(TorchDispatchMode):
    """Notes the arguments of every convolution, in the order of `aten::convolution`.

    Args:
        grouped: Numbers of groups that the network's own have; what has another number is the
            interpolation's.
    """

    def __init__(self, grouped: set[int]) -> None:
        super().__init__()
        self.grouped = grouped
        self.calls: list[list[Any]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is torch.ops.aten.convolution.default:
            self._note(*args)
        elif func.name().startswith("mkldnn::_convolution_pointwise"):
            x, *rest = args
            weight, bias, padding, stride, dilation, groups = rest[
                func.name().endswith("binary") :
            ][:6]
            self._note(x, weight, bias, stride, padding, dilation, False, [0, 0], groups)
        return func(*args, **(kwargs or {}))

    def _note(self, x: Tensor, *rest: Any) -> None:
        if rest[-1] in self.grouped:
            self.calls.append([torch.rand_like(x), *rest])  # in its memory format


def _onnx(network: SRNetwork, image: Tensor, path: Path) -> Callable[[], float]:
    """The network by ONNX Runtime, with as many threads as torch has."""
    if not path.exists():
        export_onnx(network, path)
    exported = onnx_network(path, Settings(image.device))
    return lambda: clocked(lambda: exported.enlarge(image), image.device)


def check_choices(cfg: DictConfig) -> None:
    """Refuse what cannot be measured here.

    Raises:
        UserError: An unknown choice, a size that is none, or a package is missing.
    """
    for choice in cfg.inference.choices:
        if choice not in CHOICES:
            raise ConfigError(f"inference.choices holds {choice!r}; they are {', '.join(CHOICES)}.")
    for size in cfg.inference.sizes:
        if len(size) != 2 or min(size) < 1:
            raise ConfigError(f"inference.sizes holds {list(size)}; each is [height, width].")
    if "onnx" in cfg.inference.choices:
        check_packages()
