"""Quality against what it costs: parameters, multiply-adds, latency."""

import csv
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from mtlsr.data.pairs import EvaluationPair
from mtlsr.inference.methods.base import Method
from mtlsr.networks.measure import multiply_adds, parameters
from mtlsr.runs.evaluation.results import Results
from mtlsr.runs.files import replacing

OUTPUT = 720, 1280
"""Size of the image that is made, as the literature counts multiply-adds."""

REPEATS = 5
"""Calls whose median latency counts, after one that does not."""


@dataclass(frozen=True)
class Cost:
    """What a method needs; None where it cannot be told."""

    parameters: int | None = None
    """Numbers that are learnt."""
    multiply_adds: int | None = None
    """Of convolutions and linear layers, for an image of `OUTPUT`."""
    latency: float | None = None
    """Milliseconds for it, from uint8 to uint8."""


TITLES = {
    "parameters": "parameters",
    "multiply_adds": "multiply-adds to 1280×720",
    "latency": "latency to 1280×720, ms",
}


def cost(method: Method, scale: int) -> Cost:
    """Count and time what a method needs for one image."""
    height, width = (side // scale for side in OUTPUT)
    module = method.module
    return Cost(
        parameters=None if module is None else parameters(module),
        multiply_adds=None if module is None else multiply_adds(module, height, width),
        latency=_latency(method, scale, height, width) if method.timed else None,
    )


def write_costs(path: Path, costs: Mapping[str, Cost]) -> None:
    """Write them as CSV, a row for each method."""
    with replacing(path) as file:
        writer = csv.DictWriter(file, ["method", *(each.name for each in fields(Cost))])
        writer.writeheader()
        writer.writerows({"method": name, **asdict(each)} for name, each in costs.items())


def plot(path: Path, results: Results, costs: Mapping[str, Cost]) -> None:
    """Draw the first measure against each cost, a row of plots for each data set.

    A line joins the methods that no other beats in both; one whose cost is not known, or 0, is a
    dashed line across.
    """
    from matplotlib.figure import Figure

    measure, datasets = results.measures[0], results.datasets
    shown = [name for name in TITLES if any(getattr(each, name) for each in costs.values())]
    figure = Figure(figsize=(4.5 * max(len(shown), 1), 3.6 * len(datasets)), layout="constrained")
    grid = figure.subplots(len(datasets), max(len(shown), 1), squeeze=False)
    for row, (dataset, scores) in zip(grid, datasets.items(), strict=True):
        quality = {name: figures[measure.name] for name, figures in scores.items()}
        for axes, name in zip(row, shown, strict=False):
            known = {m: getattr(each, name) for m, each in costs.items() if getattr(each, name)}
            for method, value in quality.items():
                if method in known:
                    axes.plot(known[method], value, "o", color="tab:blue")
                    axes.annotate(
                        method, (known[method], value), (4, 4), textcoords="offset points"
                    )
                else:
                    axes.axhline(value, linestyle="--", color="grey", linewidth=1)
                    axes.annotate(
                        method, (0, value), (4, 2), xycoords=("axes fraction", "data"),
                        textcoords="offset points", color="grey",
                    )  # fmt: skip
            best = front({m: (known[m], quality[m]) for m in known}, measure.higher_is_better)
            axes.plot([known[m] for m in best], [quality[m] for m in best], color="tab:blue")
            axes.set(xscale="log", xlabel=TITLES[name], ylabel=measure.title, title=dataset)
            axes.margins(0.2)
    unfinished = path.with_name(f".{path.name}.tmp")
    figure.savefig(unfinished, format="png", dpi=150)
    unfinished.replace(path)


def front(points: Mapping[str, tuple[float, float]], higher_is_better: bool = True) -> list[str]:
    """Those whose quality no cheaper or equally cheap one reaches, from the cheapest up.

    Args:
        points: Name -> (cost, quality).
        higher_is_better: Of the quality.
    """
    sign = 1 if higher_is_better else -1
    found: list[str] = []
    best = -np.inf
    for name, (_, quality) in sorted(points.items(), key=lambda p: (p[1][0], -sign * p[1][1])):
        if sign * quality > best:
            best = sign * quality
            found.append(name)
    return found


def _latency(method: Method, scale: int, height: int, width: int) -> float:
    lr = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    hr = np.zeros((scale * height, scale * width, 3), np.uint8)
    pair = EvaluationPair("", lr, hr)
    times = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        method([pair])
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])
