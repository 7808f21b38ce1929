"""What both stages promise beside training."""

import math

import pytest
import torch

from mtlsr.data.batch import Batch
from mtlsr.networks.table import build_pair, build_single_task
from mtlsr.objective.anchor import AnchorTerm
from mtlsr.objective.objective import Objective
from mtlsr.objective.realism import StyleTerm
from mtlsr.objective.smoothness import SmoothnessTerm
from mtlsr.objective.structure import StructureTerm
from mtlsr.stages.base import Recipe, learning_rate_share
from mtlsr.stages.restoration import RestorationStage

PAIRS = [("residual", "unet"), ("seed", "seed"), ("attention", "unet_large")]


def stage(pair: tuple[str, str] = ("residual", "unet"), freeze: bool = False) -> RestorationStage:
    torch.manual_seed(0)
    network = build_pair(
        {"name": pair[0]}, {"name": pair[1]}, scale=2, vector_size=5, structure_channels=2
    )
    terms = {
        "smoothness": SmoothnessTerm("l1"),
        "realism": StyleTerm("gram"),
        "structure": StructureTerm("gradient"),
        "anchor": AnchorTerm(),
    }
    objective = Objective(terms, dict.fromkeys(terms, 1.0))
    recipe = Recipe(steps=10, lr=1e-3)
    return RestorationStage(network, objective, recipe, network.realism.first_block, freeze)


def batch(count: int = 2, size: int = 12) -> Batch:
    generator = torch.Generator().manual_seed(1)
    lr = torch.rand(count, 3, size, size, generator=generator)
    hr = torch.rand(count, 3, 2 * size, 2 * size, generator=generator)
    return Batch(lr=lr, lr_clean=lr, hr=hr, degradation=torch.zeros(count, 5))


def test_the_learning_rate_rises_linearly_and_falls_as_a_cosine():
    recipe = Recipe(steps=100, lr=1.0, warmup=0.1, final=0.2)
    shares = [learning_rate_share(step, recipe) for step in range(100)]
    assert shares[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert shares[-1] == pytest.approx(0.2)
    assert shares[54] == pytest.approx(0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * 0.5)))
    assert shares[9:] == sorted(shares[9:], reverse=True)


@pytest.mark.parametrize("pair", PAIRS)
def test_the_judge_is_a_frozen_copy(pair):
    module = stage(pair).train()
    assert not any(p.requires_grad for p in module.reference.parameters())
    assert not any(m.training for m in module.reference.modules())
    before = {name: value.clone() for name, value in module.reference.state_dict().items()}
    optimiser = module.configure_optimizers()["optimizer"]
    for _ in range(3):
        optimiser.zero_grad()
        module.evaluate_terms(batch()).total.backward()
        optimiser.step()
    for name, value in module.reference.state_dict().items():
        assert torch.equal(value, before[name])
    moved = module.network.realism.first_block.anchored()
    assert all(not torch.equal(moved[name], module.reference.anchored()[name]) for name in moved)


@pytest.mark.parametrize("pair", PAIRS)
def test_a_frozen_stage_one_keeps_weights_and_statistics(pair):
    module = stage(pair, freeze=True).train()
    before = {name: v.clone() for name, v in module.network.realism.state_dict().items()}
    module.evaluate_terms(batch()).total.backward()
    assert all(p.grad is None for p in module.network.realism.parameters())
    after = module.network.realism.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert any(p.grad is not None for p in module.network.restoration.parameters())


def test_stage_two_trains_both_networks():
    module = stage().train()
    module.evaluate_terms(batch()).total.backward()
    for network in (module.network.realism, module.network.restoration):
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_the_anchor_is_zero_at_first_and_the_terms_are_scalars():
    valued = stage().evaluate_terms(batch(), everything=True)
    assert valued.raw["anchor"] == 0
    assert all(raw.shape == () and raw.isfinite() for raw in valued.raw.values())
    raws = [float(raw.detach()) for raw in valued.raw.values()]
    assert valued.total.item() == pytest.approx(sum(raws))


# ---- a network of one task -----------------------------------------------------------------------


def single() -> RestorationStage:
    torch.manual_seed(0)
    network = build_single_task({"name": "rlfn"}, scale=2)
    terms = {
        "smoothness": SmoothnessTerm("l1"),
        "realism": StyleTerm("gram"),
        "structure": StructureTerm("gradient"),
        "anchor": AnchorTerm(),
    }
    objective = Objective(terms, dict.fromkeys(terms, 0.0) | {"smoothness": 1.0})
    return RestorationStage(network, objective, Recipe(steps=10, lr=1e-3), None)


def test_a_network_of_one_task_is_valued_by_what_it_has():
    module = single().train()
    valued = module.evaluate_terms(batch(), everything=True)
    assert valued.raw.keys() == {"smoothness"}
    valued.total.backward()
    assert all(p.grad is not None for p in module.network.parameters())
    assert module.eval().training is False
    assert module.reference is None


def test_a_network_of_one_task_keeps_no_reference_in_its_checkpoint():
    assert all(name.startswith("network.") for name in single().state_dict())
