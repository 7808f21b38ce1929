"""Stage 2 with the two real networks at tiny width, for tests of balancing."""

import torch

from mtlsr.data.batch import Batch
from mtlsr.networks.table import build_pair
from mtlsr.objective.anchor import AnchorTerm
from mtlsr.objective.balancing.base import Balancer
from mtlsr.objective.objective import Objective
from mtlsr.objective.realism import StyleTerm
from mtlsr.objective.smoothness import SmoothnessTerm
from mtlsr.objective.structure import StructureTerm
from mtlsr.stages.base import Recipe
from mtlsr.stages.restoration import RestorationStage

TERMS = ("smoothness", "realism", "structure")
"""The terms that are balanced; the anchor is there too."""
NETWORKS = {
    "residual": (
        {"name": "residual", "first": 4, "widths": [6, 6], "units": [1, 1]},
        {"name": "unet", "units": [1, 1]},
    ),
    "seed": (
        {"name": "seed", "widths": [4, 6], "units": [1, 1]},
        {"name": "seed", "kernels": [3, 3]},
    ),
}


def stage(
    balancer: Balancer | None = None, pair: str = "residual", freeze: bool = False
) -> RestorationStage:
    """Stage 2 at θ = θ*, the same one in every call."""
    torch.manual_seed(0)
    realism, restoration = NETWORKS[pair]
    network = build_pair(realism, restoration, scale=2, vector_size=5, structure_channels=2)
    terms = {
        "smoothness": SmoothnessTerm("l1", reconstruction=0.1, consistency=0.1),
        "realism": StyleTerm("gram"),
        "structure": StructureTerm("gradient"),
        "anchor": AnchorTerm(),
    }
    weights = {"smoothness": 1.0, "realism": 0.5, "structure": 2.0, "anchor": 3.0}
    recipe = Recipe(steps=10, lr=1e-3)
    objective = Objective(terms, weights)
    reference = network.realism.first_block
    return RestorationStage(
        network, objective, recipe, reference, freeze, balancer=balancer
    ).train()


def batch(number: int = 0, count: int = 2, size: int = 12) -> Batch:
    """Random images; another `number` makes others."""
    generator = torch.Generator().manual_seed(number)
    lr = torch.rand(count, 3, size, size, generator=generator)
    hr = torch.rand(count, 3, 2 * size, 2 * size, generator=generator)
    return Batch(lr=lr, lr_clean=lr, hr=hr, degradation=torch.zeros(count, 5))


def leave_the_start(module: RestorationStage) -> None:
    """Move the weights a little, so that the anchor pulls, too."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in module.network.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=generator)
