"""How fast training is, each figure beside its limit measured in the same run.

A part is a function of a configuration that returns figures by name. Repeats are interleaved, so
that a machine that slows down slows down both sides of a ratio, and the median counts.
"""

import statistics
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from mtlsr.data.batch import Batch
from mtlsr.runs import build
from mtlsr.runs.averaging import AveragedWeights
from mtlsr.runs.build import StageName
from mtlsr.runs.fit import fit
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.tracking import tracked
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


class Clock(pl.Callback):
    """Seconds from the end of step `WARM_UP` to the end of the last step."""

    def __init__(self) -> None:
        self.start = self.end = 0.0

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == WARM_UP:
            self.start = time.perf_counter()
        self.end = time.perf_counter()


def stage_of(cfg: DictConfig, name: StageName) -> Stage:
    """A stage as training builds it, with fresh weights."""
    model = build.networks(cfg)
    if name == "realism":
        return build.realism_stage(cfg, model)
    return build.restoration_stage(cfg, model, model.realism.first_block)


def step(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Rate of the training loop with everything on, against a bare loop over the same work.

    The bare loop has the network, objective, precision, clipping, optimiser, averaging and loader,
    and nothing else. Ratio 1 would mean that the framework costs nothing.
    """
    cfg = deepcopy(cfg)
    total = WARM_UP + cfg.measured_steps
    for name in build.STAGES:
        cfg.schedule[name].steps = total
        cfg.schedule[name].validations = 0
    files = build.dataset(cfg)
    figures: dict[str, Figure] = {}
    with tracked(cfg, folder, OmegaConf.to_container(cfg, resolve=True)) as loggers:  # type: ignore[arg-type]
        for name in build.STAGES:
            rates: dict[str, list[float]] = {"full": [], "bare": []}
            for repeat in range(cfg.repeats):
                clock = Clock()
                progress = StageProgress({name: total}, shown=cfg.trainer.progress)
                own = folder / "scratch" / f"{name}{repeat}"
                fit(cfg, stage_of(cfg, name), name, files, own, loggers, progress, [clock])
                progress.close()
                rates["full"].append(cfg.measured_steps / (clock.end - clock.start))
                rates["bare"].append(cfg.measured_steps / _bare(cfg, name))
            full, bare = (statistics.median(rates[kind]) for kind in ("full", "bare"))
            ratio = statistics.median(
                a / b for a, b in zip(rates["full"], rates["bare"], strict=True)
            )
            figures[name] = Figure(full, "steps/s", bare, ratio)
    return figures


def objective(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Time of the terms, forward and backward, against the network's own forward and backward."""
    figures: dict[str, Figure] = {}
    files = build.dataset(cfg)
    for name in build.STAGES:
        stage = stage_of(cfg, name).train()
        batch: Batch = next(iter(build.loader(cfg, name, files))).floats()

        def network(stage: Stage = stage, batch: Batch = batch) -> None:
            with _autocast(cfg):
                outputs = _tensors(stage.network(batch.lr))
            torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])

        def everything(stage: Stage = stage, batch: Batch = batch) -> None:
            with _autocast(cfg):
                valued = stage.evaluate_terms(batch, everything=False)
            valued.total.backward()

        times: dict[Callable[[], None], list[float]] = {network: [], everything: []}
        for _ in range(cfg.repeats):
            for work, taken in times.items():
                work()
                start = time.perf_counter()
                for _ in range(10):
                    work()
                taken.append((time.perf_counter() - start) / 10 * 1000)
        own, both = statistics.median(times[network]), statistics.median(times[everything])
        figures[name] = Figure(both - own, "ms", own, (both - own) / own)
    return figures


PARTS: dict[str, Callable[[DictConfig, Path], dict[str, Figure]]] = {
    "step": step,
    "objective": objective,
}


def _bare(cfg: DictConfig, name: StageName) -> float:
    """Seconds that a loop without any framework needs for the measured steps."""
    stage = stage_of(cfg, name).to(build.device(cfg)).train()
    configured = stage.configure_optimizers()
    optimiser, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    averaging = AveragedWeights(cfg.schedule[name].averaging)
    average = AveragedModel(stage, use_buffers=False, multi_avg_fn=averaging._average)
    clip = cfg.schedule[name].clip
    start = 0.0
    for number, batch in enumerate(build.loader(cfg, name, build.dataset(cfg)), start=1):
        batch = batch.to(stage.device, non_blocking=True).floats()
        with _autocast(cfg):
            total = stage.evaluate_terms(batch, everything=False).total
        optimiser.zero_grad()
        total.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(stage.parameters(), clip)
        optimiser.step()
        schedule.step()
        average.update_parameters(stage)
        if number == WARM_UP:
            start = time.perf_counter()
    return time.perf_counter() - start


def _autocast(cfg: DictConfig) -> torch.autocast:
    enabled = build.precision(cfg) == "bf16-mixed"
    return torch.autocast(build.device(cfg).type, dtype=torch.bfloat16, enabled=enabled)


def _tensors(outputs: Any) -> list[Tensor]:
    """All tensors of nested dataclasses and tuples that carry a gradient."""
    if isinstance(outputs, Tensor):
        return [outputs] if outputs.requires_grad else []
    parts = outputs if isinstance(outputs, tuple) else vars(outputs).values()
    return [tensor for part in parts for tensor in _tensors(part)]
