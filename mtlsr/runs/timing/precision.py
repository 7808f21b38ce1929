"""Training in bfloat16 and channels-last memory, beside float32 and contiguous memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.networks.table import build_single_task
from mtlsr.runs import hardware, photographs
from mtlsr.runs.timing.common import Figure, clocked, interleaved, stage_of

CHANNELS, BLOCKS = 64, 16


def precision(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Rate of a training step in bfloat16 and channels-last memory, beside float32 and NCHW.

    - `edsr_baseline`: a residual network of 64 features and 16 blocks that enlarges by 4 in two
      sub-pixel layers, L1 loss, batch and patch of `edsr`. 2 is wanted.
    - `restoration`: stage 2's network and objective on a batch of its own. 2.5 is wanted.

    Ratio: how many times as fast. Where the hardware does not multiply bfloat16, training does not
    use it (`trainer.precision=auto`), and the ratio shows why.
    """
    device = hardware.device(cfg)
    steps: dict[str, Callable[[], float]] = {}
    for reduced in (True, False):
        for name, step in (("edsr_baseline", _single), ("restoration", _pair)):
            steps[f"{name} {reduced}"] = _timed(step(cfg, device, reduced), device, reduced)
    interleaved(steps, 1)  # warm-up
    found = interleaved(steps, cfg.repeats)
    rates = {name: [1 / seconds for seconds in taken] for name, taken in found.items()}
    return {
        name: Figure.of(rates[f"{name} True"], rates[f"{name} False"], "steps/s")
        for name in ("edsr_baseline", "restoration")
    }


Loss = Callable[[], Tensor]


def _timed(
    made: tuple[nn.Module, Loss], device: torch.device, reduced: bool
) -> Callable[[], float]:
    """Seconds of one step: forward, backward, optimiser."""
    module, loss = made
    optimiser = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
            total = loss()
        total.backward()
        optimiser.step()

    return lambda: clocked(step, device)


def _single(cfg: DictConfig, device: torch.device, reduced: bool) -> tuple[nn.Module, Loss]:
    options = {"name": "edsr_baseline", "channels": CHANNELS, "blocks": BLOCKS}
    network = build_single_task(options, scale=4).to(device)
    patch = cfg.edsr.patch
    batch = cfg.edsr.batch
    lr, hr = (torch.rand(batch, 3, side, side, device=device) for side in (patch, 4 * patch))
    lr, hr = (_laid_out(image, reduced) for image in (lr, hr))
    _lay_out(network, reduced)
    return network, lambda: F.l1_loss(network(lr)[1].sr, hr)


def _pair(cfg: DictConfig, device: torch.device, reduced: bool) -> tuple[nn.Module, Loss]:
    stage = stage_of(cfg, "restoration").to(device).train()
    _lay_out(stage, reduced)
    files = photographs.dataset(cfg)
    batch = next(iter(photographs.loader(cfg, "restoration", files))).to(device).floats()
    images = {name: _laid_out(getattr(batch, name), reduced) for name in ("lr", "lr_clean", "hr")}
    batch = replace(batch, **images)
    return stage.network, lambda: stage.evaluate_terms(batch, everything=False).total


def _lay_out(module: nn.Module, last: bool) -> None:
    form = torch.channels_last if last else torch.contiguous_format
    module.to(memory_format=form)  # type: ignore[call-overload]


def _laid_out(tensor: Tensor, last: bool) -> Tensor:
    form = torch.channels_last if last else torch.contiguous_format
    return tensor.contiguous(memory_format=form)
