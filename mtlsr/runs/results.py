"""What a model is worth: figures per image and per data set, and pictures to look at."""

import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.data.resize import bicubic_upscale
from mtlsr.inference.device import computing, ready
from mtlsr.inference.upscale import enlarge_uint8
from mtlsr.metrics.image_metrics import ImageMetrics
from mtlsr.metrics.protocol import Protocol
from mtlsr.networks.base import Resolver
from mtlsr.runs.files import replacing, write_json

UInt8 = NDArray[np.uint8]
Method = Callable[[EvaluationPair], UInt8]
"""Photograph in, enlarged photograph out, uint8 (H, W, 3)."""


@dataclass
class Results:
    """Figures of several methods on several data sets, under one protocol."""

    protocol: Protocol
    datasets: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """Data set -> method -> metric -> mean over images."""
    images: list[dict[str, Any]] = field(default_factory=list)
    """A row for every image and method."""

    def write(self, folder: Path) -> None:
        """Write results.json and per_image.csv."""
        write_json(
            folder / "results.json", {"protocol": self.protocol.hash, "datasets": self.datasets}
        )
        if self.images:
            with replacing(folder / "per_image.csv") as file:
                writer = csv.DictWriter(file, list(self.images[0]))
                writer.writeheader()
                writer.writerows(self.images)

    def table(self) -> Table:
        """The means as a table for the terminal, the best of each column and data set in bold."""
        table = Table(title=f"×{self.protocol.scale}, protocol {self.protocol.hash}")
        table.add_column("data set")
        table.add_column("method")
        for title in ("PSNR-Y", "SSIM-Y", "PSNR-RGB", "SSIM-RGB", "images"):
            table.add_column(title, justify="right")
        metrics = (("psnr_y", 2), ("ssim_y", 4), ("psnr_rgb", 2), ("ssim_rgb", 4))
        for name, methods in self.datasets.items():
            best = {m: max(scores[m] for scores in methods.values()) for m, _ in metrics}
            for method, scores in methods.items():
                cells = [
                    f"[bold]{scores[m]:.{digits}f}[/bold]"
                    if scores[m] == best[m]
                    else f"{scores[m]:.{digits}f}"
                    for m, digits in metrics
                ]
                table.add_row(name, method, *cells, str(scores["images"]))
            table.add_section()
        return table

    def print(self) -> None:
        """Show the table."""
        Console().print(self.table())


def bicubic(scale: int) -> Method:
    """The method that everything is compared with."""
    return lambda pair: bicubic_upscale(pair.lr, scale)


def network(model: Resolver, device: torch.device | str = "cpu") -> Method:
    """A network as a method: float32, whole images."""
    device = torch.device(device)
    model = ready(model, device)

    def method(pair: EvaluationPair) -> UInt8:
        with computing(device, torch.float32):
            return enlarge_uint8(model, pair.lr, device).numpy(force=True)

    return method


def evaluate(
    sets: Iterable[EvaluationSet], methods: Mapping[str, Method], protocol: Protocol
) -> Results:
    """Measure every method on every image of every data set."""
    results = Results(protocol)
    for images in sets:
        # This process sees every image, and the others of a training may be gone by now.
        metrics = {name: ImageMetrics(protocol, sync_on_compute=False) for name in methods}
        for pair in images:
            for name, method in methods.items():
                metrics[name].update(method(pair), pair.hr)
                scores = metrics[name].last
                assert scores is not None
                row = {"dataset": images.name, "image": pair.name, "method": name}
                results.images.append(row | scores.as_dict())
        results.datasets[images.name] = {
            name: dict(metric.compute()) for name, metric in metrics.items()
        }
    return results
