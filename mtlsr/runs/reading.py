"""After stage 2: stage 1's vector is read anew, by degradations that are known."""

import torch
from omegaconf import DictConfig
from torch import Tensor

from mtlsr.data.datasets import Dataset
from mtlsr.data.loader import build_loader
from mtlsr.networks.base import RealismNet
from mtlsr.runs import photographs

SAMPLES = 4096
"""Low resolutions, at the most, that the reading is fitted to; no more than stage 2 has seen."""
BATCH = 32


@torch.inference_mode()
def read_anew(cfg: DictConfig, files: Dataset, realism: RealismNet) -> None:
    """Fit `realism.reading` on low resolutions of stage 2's photographs, degraded as for stage 1.

    Args:
        cfg: Of the run.
        files: Of `dataset`.
        realism: Stage 1's network as stage 2 left it, in evaluation mode.
    """
    schedule = cfg.schedule.restoration
    count = min(SAMPLES, schedule.batch * schedule.steps)
    device = next(realism.parameters()).device
    seen: list[tuple[Tensor, Tensor]] = []
    handle = realism.reading.register_forward_pre_hook(lambda module, given: seen.append(given))
    known = []
    try:
        for batch in build_loader(
            photographs.degraded_samples(cfg, files), BATCH, -(-count // BATCH)
        ):
            realism(batch.floats().lr.to(device), reconstruct=False)
            known.append(batch.degradation)
    finally:
        handle.remove()
    vector, statistics = (torch.cat(parts) for parts in zip(*seen, strict=True))
    realism.reading.fit(vector, statistics, torch.cat(known))
