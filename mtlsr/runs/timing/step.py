"""The training step, beside a bare loop over the same work."""

import time
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch.optim.swa_utils import AveragedModel

from mtlsr.runs import hardware, photographs
from mtlsr.runs.averaging import AveragedWeights
from mtlsr.runs.schema import StageName
from mtlsr.runs.timing.common import WARM_UP, Figure, autocast, short, stage_of, stages_of, train
from mtlsr.runs.tracking import tracked


def step(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Rate of the training loop with everything on, against a bare loop over the same work.

    The bare loop has the network, objective, precision, clipping, optimiser, averaging and loader,
    and nothing else. Ratio 1 would mean that the framework costs nothing.
    """
    cfg = short(cfg)
    files = photographs.dataset(cfg)
    figures: dict[str, Figure] = {}
    with tracked(cfg, folder) as loggers:
        for name in stages_of(cfg):
            rates: dict[str, list[float]] = {"full": [], "bare": []}
            for repeat in range(cfg.repeats):
                own = folder / "scratch" / f"{name}{repeat}"
                clock = train(cfg, name, files, own, loggers)
                rates["full"].append(cfg.measured_steps / clock.seconds)
                rates["bare"].append(cfg.measured_steps / _bare(cfg, name))
            figures[name] = Figure.of(rates["full"], rates["bare"], "steps/s")
    return figures


def _bare(cfg: DictConfig, name: StageName) -> float:
    """Seconds that a loop without any framework needs for the measured steps."""
    stage = stage_of(cfg, name).to(hardware.device(cfg)).train()
    configured = stage.configure_optimizers()
    optimiser, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    averaging = AveragedWeights(cfg.schedule[name].averaging)
    average = AveragedModel(stage, use_buffers=False, multi_avg_fn=averaging._average)
    clip = cfg.schedule[name].clip
    start = 0.0
    batches = photographs.loader(cfg, name, photographs.dataset(cfg))
    for number, batch in enumerate(batches, start=1):
        batch = batch.to(stage.device, non_blocking=True).floats()
        with autocast(cfg):
            total = stage.evaluate_terms(batch, everything=False).total
        optimiser.zero_grad()
        total.backward()
        for group in optimiser.param_groups if clip else ():
            torch.nn.utils.clip_grad_norm_(group["params"], clip)
        optimiser.step()
        schedule.step()
        average.update_parameters(stage)
        if number == WARM_UP:
            start = time.perf_counter()
    return time.perf_counter() - start
