"""Every network of the table: its size, its work, its speed, its memory, what it sees."""

import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from rich.table import Table
from torch import Tensor, nn

from mtlsr.inference.device import computing, find_precision, ready
from mtlsr.networks.base import RealismNet, SRNetwork
from mtlsr.networks.bundled import bundled
from mtlsr.networks.folder import load_model
from mtlsr.networks.measure import LiveMemory, multiply_adds, parameters, receptive_field
from mtlsr.networks.table import PARTNERS, REALISM, SINGLE_TASK, build_pair, build_single_task
from mtlsr.objective.structure import CHANNELS
from mtlsr.runs import hardware, photographs
from mtlsr.runs.timing.common import Figure, clocked

QUANTITIES = ("parameters", "multiply_adds", "latency", "achieved", "memory", "receptive_field")

PRODUCT = 2048
"""Side of the two matrices whose product says what the machine can do."""


def networks(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """What each network needs to enlarge an image of `networks.height` × `networks.width` pixels.

    They have the options of the table's defaults. Each stage 1 is measured alone and with the stage
    2 that it is made for; then the networks of one task, and the model that comes with this
    package for the scale.

    - `parameters`: thousands, beside the most of all. Ratio: share.
    - `multiply_adds`: 10^9 for all that the network says, beside the most of all. Ratio: share.
    - `latency`: milliseconds as `Upscaler` computes, beside what the machine needs for as many
      multiply-adds in one plain 3×3 convolution of 64 channels. Ratio: how close it comes.
    - `achieved`: 10^9 floating-point operations a second, two a multiply-add, beside those of a
      product of two large matrices in the same numbers. Ratio: share of what the machine can do.
    - `memory`: megabytes (10^6 bytes) of tensors that are alive at one time, weights among them,
      beside weights, input and output. Ratio: how many times as much.
    - `receptive_field`: low-resolution pixels that one is enlarged from, beside the most that is
      looked for, `networks.field`. Ratio: share; 1 means that it is the whole image.
    """
    height, width = cfg.networks.height, cfg.networks.width
    device = hardware.device(cfg)
    precision = find_precision("auto", device)
    image = torch.rand(1, 3, height, width, device=device)
    image = image.contiguous(memory_format=torch.channels_last)
    found = {name: _placed(network, device) for name, network in _variants(cfg).items()}
    yardstick = nn.Conv2d(64, 64, 3, padding=1).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    features = torch.rand(1, 64, height, width, device=device)
    features = features.contiguous(memory_format=torch.channels_last)
    work = {name: multiply_adds(network, height, width) for name, network in found.items()}
    done = {
        name: multiply_adds(_enlarging(network), height, width) for name, network in found.items()
    }

    memory: dict[str, int] = {}
    seconds: dict[str, list[float]] = {name: [] for name in found}
    rates: list[float] = []
    product_rates: list[float] = []
    factors = [torch.rand(PRODUCT, PRODUCT, device=device, dtype=precision) for _ in range(2)]
    with computing(device, precision):
        for name, network in found.items():
            with LiveMemory() as live:
                _enlarging(network)(image)
            memory[name] = live.peak
        for _ in range(cfg.repeats):
            taken = clocked(lambda: [yardstick(features) for _ in range(10)], device)
            rates.append(10 * height * width * yardstick.weight.numel() / taken)
            taken = clocked(lambda: factors[0] @ factors[1], device)
            product_rates.append(PRODUCT**3 / taken)
            for name, network in found.items():
                seconds[name].append(clocked(partial(_enlarging(network), image), device))

    figures: dict[str, Figure] = {}
    sizes = {name: parameters(network) for name, network in found.items()}
    for name, network in found.items():
        figures[f"{name}/parameters"] = _share(sizes[name], max(sizes.values()), 1e3, "k")
        figures[f"{name}/multiply_adds"] = _share(work[name], max(work.values()), 1e9, "G")
        limits = [done[name] / rate for rate in rates]
        ratio = statistics.median(a / b for a, b in zip(limits, seconds[name], strict=True))
        latency, limit = (1e3 * statistics.median(times) for times in (seconds[name], limits))
        figures[f"{name}/latency"] = Figure(latency, "ms", limit, ratio)
        achieved = [done[name] / taken for taken in seconds[name]]
        figures[f"{name}/achieved"] = Figure.of(achieved, product_rates, "GFLOP/s", 2e-9)
        enlargement = cfg.scale if isinstance(network, SRNetwork) else 1
        weights = 4 * sizes[name]
        least = weights + image.nbytes * (1 + enlargement**2)
        needed = weights + image.nbytes + memory[name]
        figures[f"{name}/memory"] = Figure(needed / 1e6, "MB", least / 1e6, needed / least)
        if isinstance(network, SRNetwork):
            most = cfg.networks.field
            field = receptive_field(network, most) or most
            figures[f"{name}/receptive_field"] = _share(field, most, 1, "px")
    return figures


def table(figures: dict[str, Figure]) -> Table:
    """The figures with a row for each network."""
    shown = Table(
        "network", "parameters", "multiply-adds", "latency", "achieved", "memory", "receptive field"
    )
    for name in dict.fromkeys(key.rpartition("/")[0] for key in figures):
        cells = []
        for quantity in QUANTITIES:
            figure = figures.get(f"{name}/{quantity}")
            if figure is None:
                cells.append("")
            elif quantity == "receptive_field":
                cells.append("whole image" if figure.ratio == 1 else f"{figure.value} px")
            else:
                cells.append(f"{figure.value:,.{0 if figure.value >= 100 else 1}f} {figure.unit}")
        shown.add_row(name, *cells)
    return shown


def _variants(cfg: DictConfig) -> dict[str, RealismNet | SRNetwork]:
    """Every network by the name that the table gives it."""
    torch.manual_seed(cfg.seed)
    vector_size = len(photographs.strengths(cfg))
    found: dict[str, RealismNet | SRNetwork] = {
        name: network(vector_size=vector_size) for name, network in REALISM.items()
    }
    for restoration, realism in PARTNERS.items():
        found[f"{realism} + {restoration}"] = build_pair(
            {"name": realism},
            {"name": restoration},
            scale=cfg.scale,
            vector_size=vector_size,
            structure_channels=CHANNELS[cfg.loss.structure.transform],
        )
    for name in SINGLE_TASK:
        found[name] = build_single_task({"name": name}, scale=cfg.scale)
    name = f"x{cfg.scale}"
    if name in bundled():
        found[f"{name} (bundled)"], _ = load_model(bundled()[name])
    return found


def _enlarging(network: RealismNet | SRNetwork) -> Callable[[Tensor], Any]:
    """What a network is called by to enlarge; stage 1 alone does not."""
    return network.enlarged if isinstance(network, SRNetwork) else network


def _placed(network: RealismNet | SRNetwork, device: torch.device) -> RealismNet | SRNetwork:
    if isinstance(network, SRNetwork):
        return ready(network, device)
    return network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _share(value: float, most: float, unit: float, name: str) -> Figure:
    return Figure(value / unit, name, most / unit, value / most)
