"""What the measured parts share: a figure, the clock, a stage with fresh weights."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger

from mtlsr.data.datasets import Dataset
from mtlsr.runs import build, hardware, photographs
from mtlsr.runs.interruption import listening
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.schema import STAGES, StageName
from mtlsr.runs.tracking import tracked
from mtlsr.runs.training import Training
from mtlsr.stages.base import Stage

WARM_UP = 10
"""Steps before the clock starts: allocation, thread pools, the loader's first batches."""


@dataclass
class Figure:
    """A measured value beside its limit, both in `unit`."""

    value: float
    unit: str
    limit: float
    ratio: float
    """How close the value comes to its limit; what it means is said by the part."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(
        cls, values: Sequence[float], limits: Sequence[float], unit: str, factor: float = 1.0
    ) -> Self:
        """The medians of interleaved repeats, and the median of their ratios.

        Args:
            values: One a repeat.
            limits: Those that were measured beside them.
            unit: After multiplying by `factor`.
            factor: See `unit`.
        """
        ratio = statistics.median(a / b for a, b in zip(values, limits, strict=True))
        value, limit = (factor * statistics.median(each) for each in (values, limits))
        return cls(value, unit, limit, ratio)


class Clock(pl.Callback):
    """Seconds, and core-seconds of this process, from the end of step `WARM_UP` to the last one's.

    Core-seconds are those of all its threads together; loader processes are not among them.
    """

    def __init__(self) -> None:
        self._start = self._end = (0.0, 0.0)

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self._end = time.perf_counter(), time.process_time()
        if trainer.global_step == WARM_UP:
            self._start = self._end

    @property
    def seconds(self) -> float:
        return self._end[0] - self._start[0]

    @property
    def core_seconds(self) -> float:
        return self._end[1] - self._start[1]


def interleaved(works: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """What each of `works` returns, again and again in turns: a slow minute slows all of them."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            found[name].append(work())
    return found


def clocked(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call; a GPU is waited for."""
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def wait(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def stages_of(cfg: DictConfig) -> list[StageName]:
    """The stages that the configuration trains."""
    return [name for name in STAGES if name in cfg.stages]


def stage_of(cfg: DictConfig, name: StageName) -> Stage:
    """A stage as training builds it, with fresh weights."""
    model = build.networks(cfg)
    if name == "realism":
        return build.realism_stage(cfg, model)
    return build.restoration_stage(cfg, model, model.first_block)


def short(cfg: DictConfig) -> DictConfig:
    """The configuration with `WARM_UP` and the measured steps alone, and no validation.

    Terms that join later are there from the first step: a short training stands for the costliest
    part of a long one.
    """
    cfg = deepcopy(cfg)
    cfg.loss.realism.start = cfg.loss.adversarial.warmup = 0.0
    for name in STAGES:
        cfg.schedule[name].steps = WARM_UP + cfg.measured_steps
        cfg.schedule[name].validations = 0
    return cfg


def train(
    cfg: DictConfig,
    name: StageName,
    files: Dataset,
    folder: Path,
    loggers: list[Logger],
    extra: Sequence[pl.Callback] = (),
) -> Clock:
    """Train a fresh stage as the train command does, in an empty `folder`; return the clock."""
    clock = Clock()
    progress = StageProgress({name: cfg.schedule[name].steps}, shown=cfg.trainer.progress)
    stage, callbacks = stage_of(cfg, name), [clock, *extra]
    with listening("Nothing is kept.") as signals:
        Training(cfg, files, folder, loggers, progress, signals).fit(stage, callbacks)
    progress.close()
    return clock


def step_rates(variants: Mapping[str, DictConfig], folder: Path) -> dict[str, list[float]]:
    """Steps a second of stage 2's training under several configurations, by their names."""
    first = next(iter(variants.values()))
    files = photographs.dataset(first)
    rates: dict[str, list[float]] = {name: [] for name in variants}
    with tracked(first, folder) as loggers:
        for repeat in range(first.repeats):
            for name, cfg in variants.items():
                scratch = folder / "scratch" / f"{name}{repeat}"
                clock = train(cfg, "restoration", files, scratch, loggers)
                rates[name].append(cfg.measured_steps / clock.seconds)
    return rates


def autocast(cfg: DictConfig) -> torch.autocast:
    """The training's precision, for work outside of Lightning."""
    enabled = hardware.precision(cfg) == "bf16-mixed"
    return torch.autocast(hardware.device(cfg).type, dtype=torch.bfloat16, enabled=enabled)
