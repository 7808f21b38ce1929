"""Quality against what it costs: parameters, multiply-adds, latency."""

import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mtlsr.data.pairs import EvaluationPair
from mtlsr.files import write_csv
from mtlsr.inference.methods.base import Method
from mtlsr.networks.measure import multiply_adds, parameters
from mtlsr.runs import drawing
from mtlsr.runs.evaluation.results import Results

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


BEST, OTHER = "tab:blue", "tab:gray"

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
    write_csv(path, [{"method": name, **asdict(each)} for name, each in costs.items()])


def plot(path: Path, results: Results, costs: Mapping[str, Cost]) -> None:
    """Draw the first measure against each cost, a row of plots for each data set.

    A line joins the methods that no other one reaches at their cost; those of no known cost are
    dashed lines across.
    """
    from matplotlib.figure import Figure

    shown = [name for name in TITLES if any(getattr(each, name) for each in costs.values())]
    datasets = results.datasets
    size = 4.5 * len(shown), 3.6 * len(datasets)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(datasets), len(shown), squeeze=False)
    for row, (dataset, scores) in zip(grid, datasets.items(), strict=True):
        quality = {name: figures[results.measures[0].name] for name, figures in scores.items()}
        for axes, name in zip(row, shown, strict=True):
            axes.set(xscale="log", xlabel=TITLES[name], ylabel=results.measures[0].title)
            axes.set_title(dataset)
            known = {m: getattr(each, name) for m, each in costs.items() if getattr(each, name)}
            _points(axes, known, quality, results.measures[0].higher_is_better)
    drawing.save(figure, path)


def _points(
    axes: Any, known: Mapping[str, float], quality: Mapping[str, float], higher_is_better: bool
) -> None:
    """Methods of known cost as points, the others as lines across."""
    from matplotlib.ticker import EngFormatter, NullFormatter

    best = front({name: (known[name], quality[name]) for name in known}, higher_is_better)
    axes.plot([known[name] for name in best], [quality[name] for name in best], color=BEST)
    for name, value in quality.items():
        aside = {"xytext": (5, 3), "textcoords": "offset points"}
        if name in known:
            colour = BEST if name in best else OTHER
            axes.plot(known[name], value, "o", color=colour)
            axes.annotate(name, (known[name], value), color=colour, **aside)
        else:
            axes.axhline(value, linestyle="--", linewidth=1, color=OTHER)
            axes.annotate(name, (0, value), xycoords=("axes fraction", "data"), **aside)
    axes.margins(0.25, 0.15)
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.xaxis.set_minor_formatter(NullFormatter())


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
