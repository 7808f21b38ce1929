"""How time and memory grow: with images, patches, batches, photographs, jobs and processes."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from omegaconf import DictConfig

from mtlsr.data.images import write_image
from mtlsr.data.loader import build_loader
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store
from mtlsr.files import write_csv
from mtlsr.inference.device import computing, ready
from mtlsr.networks.measure import LiveMemory
from mtlsr.runs import build, drawing, hardware, photographs
from mtlsr.runs.schema import STAGES
from mtlsr.runs.timing.common import Figure, autocast, clocked, stage_of
from mtlsr.runs.timing.processes import check_proc, spend, training

MEGABYTE = 10**6


class Point(NamedTuple):
    """What one size needs."""

    size: float
    seconds: float
    megabytes: float


def growth(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Time and memory at the sizes of `growth`, least to largest.

    - `image`: enlarging, against pixels; memory of live tensors.
    - `patch`, `batch`: a step of stage 2 (forward, backward), against low-resolution pixels;
      memory of live tensors.
    - `photographs`: a batch out of a store of so many, and its files.
    - `jobs`: a sweep of so many trainings, and their processes.
    - `processes`: a training by so many processes of one thread (gloo), as many samples in each.

    The value is that of the largest size, the limit what growth in proportion from the smallest
    would give. Ratio: 1 is linear growth, less is better; the drawing of a batch out of a store
    does not grow at all where it is as good as can be. growth.csv and growth.png, in the run's
    folder, hold all points. Each is the fastest of `repeats`.

    Raises:
        ConfigError: The system has no /proc.
    """
    check_proc("growth")
    measured: dict[str, Callable[[DictConfig, Path, int], Point]] = {
        "image": _image,
        "patch": _patch,
        "batch": _batch,
        "photographs": _photographs,
        "jobs": _jobs,
        "processes": _processes,
    }
    found: dict[str, list[Point]] = {}
    for name, measure in measured.items():
        found[name] = [measure(cfg, folder / "scratch" / name, size) for size in cfg.growth[name]]
    _write(folder / "growth.csv", found)
    if drawing.can_draw():
        _plot(folder / "growth.png", found)
    figures = {}
    for name, points in found.items():
        first, last = points[0], points[-1]
        times = last.size / first.size
        for quantity, unit in (("seconds", "s"), ("megabytes", "MB")):
            value, limit = getattr(last, quantity), times * getattr(first, quantity)
            if limit > 0:
                figures[f"{name}/{quantity}"] = Figure(value, unit, limit, value / limit)
    return figures


def _image(cfg: DictConfig, folder: Path, side: int) -> Point:
    device = hardware.device(cfg)
    network = ready(build.networks(cfg), device)
    image = torch.rand(1, 3, side, side, device=device)
    image = image.contiguous(memory_format=torch.channels_last)

    def enlarge() -> None:
        with computing(device, torch.float32):
            network.enlarged(image)

    return _point(side**2, enlarge, cfg.repeats, device)


def _patch(cfg: DictConfig, folder: Path, side: int) -> Point:
    cfg = deepcopy(cfg)
    cfg.schedule.restoration.patch = side
    return _step(cfg)


def _batch(cfg: DictConfig, folder: Path, samples: int) -> Point:
    cfg = deepcopy(cfg)
    cfg.schedule.restoration.batch = samples
    return _step(cfg)


def _step(cfg: DictConfig) -> Point:
    device = hardware.device(cfg)
    stage = stage_of(cfg, "restoration").to(device).train()
    files = photographs.dataset(cfg)
    batch = next(iter(photographs.loader(cfg, "restoration", files))).to(device).floats()

    def step() -> None:
        with autocast(cfg):
            total = stage.evaluate_terms(batch, everything=False).total
        total.backward()

    schedule = cfg.schedule.restoration
    return _point(schedule.batch * schedule.patch**2, step, cfg.repeats, device)


def _photographs(cfg: DictConfig, folder: Path, number: int) -> Point:
    """The store is made of one photograph of noise under many names."""
    folder.mkdir(parents=True, exist_ok=True)
    side = 32 * cfg.scale
    paths = [folder / f"{index}.png" for index in range(number)]
    rng = np.random.default_rng(0)
    for path in paths:
        if not path.exists():
            write_image(path, rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    store = Store.open(paths, cfg.scale, folder / "store")
    kind = photographs.degradation(cfg.degradation)
    samples = SampleDataset(store, 16, cfg.seed, kind)
    batches = iter(build_loader(samples, cfg.loader.batch, 3 + cfg.repeats))
    next(batches)
    taken = min(clocked(lambda: next(batches), torch.device("cpu")) for _ in range(cfg.repeats))
    size = sum((store.folder / name).stat().st_size for name in ("hr.bin", "lr.bin"))
    return Point(number, taken, size / MEGABYTE)


def _jobs(cfg: DictConfig, folder: Path, number: int) -> Point:
    seeds = ",".join(map(str, range(number)))
    sweep = ["-m", f"seed={seeds}", f"hydra.sweep.dir={folder / str(number)}"]
    spent = spend([*training(cfg, folder / str(number), *_short(cfg)), *sweep], memory=True)
    return Point(number, spent.seconds, spent.memory / MEGABYTE)


def _processes(cfg: DictConfig, folder: Path, number: int) -> Point:
    several = [] if number == 1 else ["trainer=ddp_cpu", f"trainer.devices={number}"]
    command = training(cfg, folder / str(number), *several, *_short(cfg))
    spent = spend(command, environment={"OMP_NUM_THREADS": "1"}, memory=True)
    return Point(number, spent.seconds, spent.memory / MEGABYTE)


def _short(cfg: DictConfig) -> list[str]:
    return [f"schedule.{stage}.steps={cfg.measured_steps}" for stage in STAGES]


def _point(size: float, work: Callable[[], object], repeats: int, device: torch.device) -> Point:
    with LiveMemory() as live:
        work()
    taken = min(clocked(work, device) for _ in range(repeats))
    return Point(size, taken, live.peak / MEGABYTE)


def _write(path: Path, found: dict[str, list[Point]]) -> None:
    write_csv(
        path,
        [{"what": name, **point._asdict()} for name, points in found.items() for point in points],
    )


def _plot(path: Path, found: dict[str, list[Point]]) -> None:
    """A column for each kind of size: time above, memory below, dashed what is proportional."""
    from matplotlib.figure import Figure as Plot

    plot = Plot(figsize=(3.2 * len(found), 5.6), layout="constrained")
    grid: Any = plot.subplots(2, len(found), squeeze=False)
    for column, (name, points) in zip(grid.T, found.items(), strict=True):
        sizes = [point.size for point in points]
        scale = "log" if sizes[-1] >= 10 * sizes[0] else "linear"
        for axes, quantity in zip(column, ("seconds", "megabytes"), strict=True):
            values = [getattr(point, quantity) for point in points]
            line = [values[0] * size / sizes[0] for size in sizes]
            axes.plot(sizes, line, "--", color="tab:gray", linewidth=1)
            axes.plot(sizes, values, "o-", color="tab:blue")
            axes.set(xlabel=name, ylabel=quantity, xscale=scale, yscale=scale)
    drawing.save(plot, path)
