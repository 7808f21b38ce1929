"""A training from files on disk, beside a plain loop over the same network with data in memory."""

import time
from copy import deepcopy
from itertools import cycle, islice
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch.nn import functional as F

from mtlsr.runs import build, hardware, photographs
from mtlsr.runs.timing.common import WARM_UP, Figure, interleaved, short, train, wait
from mtlsr.runs.tracking import tracked

KEPT = 4
"""Batches that the plain loop has in memory."""


def files(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """How fast a network of the literature trains here, beside how it is usually written.

    - `edsr_baseline`: its training with everything on, photographs on the disk, batch and patch of
      `edsr`; beside a loop in float32 and NCHW over the same network, whose batches lie in memory
      already. Ratio: how many times as fast; 1.8 is wanted.
    """
    cfg = short(single_task(cfg))
    found = photographs.dataset(cfg)
    scratch = folder / "scratch"
    with tracked(cfg, folder) as loggers:

        def ours() -> float:
            own = scratch / f"files{len(list(scratch.glob('files*')))}"
            own.mkdir(parents=True)
            return train(cfg, "restoration", found, own, loggers).seconds

        taken = interleaved({"ours": ours, "plain": lambda: _plain(cfg)}, cfg.repeats)
    rates = {name: [cfg.measured_steps / each for each in times] for name, times in taken.items()}
    return {"edsr_baseline": Figure.of(rates["ours"], rates["plain"], "steps/s")}


def single_task(cfg: DictConfig) -> DictConfig:
    """The configuration with EDSR's baseline in place of both networks, and L1 distance alone."""
    cfg = deepcopy(cfg)
    cfg.stages = ["restoration"]
    cfg.stage1 = None
    cfg.freeze_realism = False
    cfg.backbone.single_task = {"name": "edsr_baseline", "channels": 64, "blocks": 16}
    cfg.loss.lambda2 = cfg.loss.lambda3 = cfg.loss.lambda4 = 0.0
    cfg.loss.smoothness.reconstruction = cfg.loss.smoothness.consistency = 0.0
    cfg.schedule.restoration.batch = cfg.edsr.batch
    cfg.schedule.restoration.patch = cfg.edsr.patch
    return cfg


def _plain(cfg: DictConfig) -> float:
    """Seconds of the measured steps of a loop as it stands in tutorials."""
    device = hardware.device(cfg)
    network = build.networks(cfg).to(device, memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    batches = []
    for batch in islice(photographs.loader(cfg, "restoration", photographs.dataset(cfg)), KEPT):
        floats = batch.to(device).floats()
        batches.append((floats.lr.contiguous(), floats.hr.contiguous()))
    start = 0.0
    for number, (lr, hr) in enumerate(islice(cycle(batches), WARM_UP + cfg.measured_steps)):
        if number == WARM_UP:
            wait(device)
            start = time.perf_counter()
        loss = F.l1_loss(network(lr)[1].sr, hr)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    wait(device)
    return time.perf_counter() - start
