"""Each pair of networks really learns: after a short training it restores more than bicubic."""

import pytest
import skimage.data
import torch
from torch import Tensor

from mtlsr.data.batch import Batch
from mtlsr.data.resize import bicubic_downscale, resize
from mtlsr.networks.table import build_pair
from mtlsr.objective.objective import Objective
from mtlsr.objective.smoothness import SmoothnessTerm
from mtlsr.stages.base import Recipe
from mtlsr.stages.restoration import RestorationStage

SCALE, PATCH, BATCH, STEPS = 2, 16, 8, 250
SEEN = 128
"""Rows of the low-resolution photograph that training sees; the rest measures."""


def crops(hr: Tensor, lr: Tensor, corners: Tensor) -> tuple[Tensor, Tensor]:
    """LR and HR patches in [0, 1] whose upper left LR pixels are `corners`, (N, 2)."""
    low, high = [], []
    for top, left in corners.tolist():
        low.append(lr[:, top : top + PATCH, left : left + PATCH])
        top, left, size = SCALE * top, SCALE * left, SCALE * PATCH
        high.append(hr[:, top : top + size, left : left + size])
    return torch.stack(low) / 255, torch.stack(high) / 255


@pytest.mark.parametrize("pair", [("residual", "unet"), ("seed", "seed")])
def test_each_pair_learns_to_restore_more_than_bicubic(pair: tuple[str, str]) -> None:
    photograph = skimage.data.astronaut()[:384]
    hr = torch.from_numpy(photograph).permute(2, 0, 1)
    lr = torch.from_numpy(bicubic_downscale(photograph, SCALE)).permute(2, 0, 1)
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = build_pair(
        {"name": pair[0]}, {"name": pair[1]}, scale=SCALE, vector_size=5, structure_channels=2
    )
    stage = RestorationStage(
        network,
        Objective({"smoothness": SmoothnessTerm("l1")}, {"smoothness": 1.0}),
        Recipe(steps=STEPS, lr=2e-3),
        network.realism.first_block,
    ).train()
    made = stage.configure_optimizers()
    optimiser, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    for _ in range(STEPS):
        # Rows from SEEN on stay unseen: those are what the network is measured on.
        corners = torch.stack(
            [
                torch.randint(0, length - PATCH, (BATCH,), generator=generator)
                for length in (SEEN, lr.shape[-1])
            ],
            dim=1,
        )
        low, high = crops(hr, lr, corners)
        batch = Batch(lr=low, lr_clean=low, hr=high, degradation=torch.zeros(BATCH, 5))
        optimiser.zero_grad()
        stage.evaluate_terms(batch).total.backward()
        optimiser.step()
        schedule.step()
    stage.eval()
    low, high = lr[None, :, SEEN:] / 255, hr[None, :, SCALE * SEEN :] / 255
    with torch.no_grad():
        ours = network(low)[1].sr
    bicubic = resize(low, (high.shape[-2], high.shape[-1]))
    error, limit = ((x - high).square().mean().item() for x in (ours, bicubic))
    assert error < 0.9 * limit
