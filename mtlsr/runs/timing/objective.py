"""The objective's terms, beside the network's own forward and backward."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from mtlsr.data.batch import Batch
from mtlsr.runs import photographs
from mtlsr.runs.timing.common import Figure, autocast, stage_of, stages_of
from mtlsr.stages.base import Stage


def objective(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Time of the terms, forward and backward, against the network's own forward and backward."""
    figures: dict[str, Figure] = {}
    files = photographs.dataset(cfg)
    for name in stages_of(cfg):
        stage = stage_of(cfg, name).train()
        batch: Batch = next(iter(photographs.loader(cfg, name, files))).floats()

        def network(stage: Stage = stage, batch: Batch = batch) -> None:
            with autocast(cfg):
                outputs = _tensors(stage.network(batch.lr))
            torch.autograd.backward(outputs, [torch.ones_like(output) for output in outputs])

        def everything(stage: Stage = stage, batch: Batch = batch) -> None:
            with autocast(cfg):
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


def _tensors(outputs: Any) -> list[Tensor]:
    """All tensors of nested dataclasses and tuples that carry a gradient."""
    if isinstance(outputs, Tensor):
        return [outputs] if outputs.requires_grad else []
    if outputs is None:
        return []
    parts = outputs if isinstance(outputs, tuple) else vars(outputs).values()
    return [tensor for part in parts for tensor in _tensors(part)]
