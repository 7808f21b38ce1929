"""Stage 2 with a discriminator: who is trained by what, when, and in which group."""

import os
import socket
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from mtlsr.data.batch import Batch
from mtlsr.networks.table import build_discriminator, build_pair
from mtlsr.objective.adversarial import AdversarialTerm, DiscriminatorTerm
from mtlsr.objective.objective import Objective
from mtlsr.objective.ranks import leave_group
from mtlsr.objective.smoothness import SmoothnessTerm
from mtlsr.stages.base import Recipe
from mtlsr.stages.restoration import RestorationStage


def game(weight: float = 0.5, warmup: float = 0.0, smoothness: float = 1.0) -> RestorationStage:
    torch.manual_seed(0)
    network = build_pair(
        {"name": "residual", "first": 4, "widths": [8, 8], "units": [1, 1]},
        {"name": "unet", "units": [1, 1]},
        scale=2,
        vector_size=5,
        structure_channels=2,
    )
    objective = Objective(
        {
            "smoothness": SmoothnessTerm("l1"),
            "adversarial": AdversarialTerm(),
            "discriminator": DiscriminatorTerm(),
        },
        {"smoothness": smoothness, "adversarial": weight, "discriminator": 1.0},
        starts={"adversarial": warmup},
    )
    return RestorationStage(
        network,
        objective,
        Recipe(steps=10, lr=1e-3, warmup=0.5),
        network.realism.first_block,
        discriminator=build_discriminator({"name": "patchgan", "width": 4}),
        discriminator_lr=4e-3,
    ).train()


def batch(seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    lr, hr = (torch.rand(2, 3, size, size, generator=generator) for size in (10, 20))
    return Batch(lr=lr, lr_clean=lr, hr=hr, degradation=torch.zeros(2, 5))


def gradients(module: nn.Module) -> list[Tensor | None]:
    return [None if p.grad is None else p.grad.clone() for p in module.parameters()]


def test_each_player_has_a_group_and_a_learning_rate_of_its_own():
    stage = game()
    made = stage.configure_optimizers()
    optimiser, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    ours, theirs = optimiser.param_groups
    assert theirs["params"] == list(stage.discriminator.parameters())
    networks = [p for p in stage.network.parameters() if p.requires_grad]
    assert {id(p) for p in ours["params"]} == {id(p) for p in networks}
    for share in (0.2, 0.4, 0.6):
        assert ours["lr"] == pytest.approx(share * 1e-3)
        assert theirs["lr"] == pytest.approx(share * 4e-3)
        optimiser.step()
        schedule.step()


def test_without_a_discriminator_there_is_one_group():
    stage = game()
    stage.discriminator = None
    assert len(stage.parameter_groups()) == 1


def test_both_players_move_in_one_step():
    stage = game()
    optimiser = stage.configure_optimizers()["optimizer"]
    before = [p.detach().clone() for group in optimiser.param_groups for p in group["params"]]
    stage.evaluate_terms(batch(), everything=False).total.backward()
    optimiser.step()
    after = [p for group in optimiser.param_groups for p in group["params"]]
    sizes = [len(group["params"]) for group in optimiser.param_groups]
    moved = [not torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert any(moved[: sizes[0]])
    assert all(moved[sizes[0] :])


def test_each_player_is_driven_by_its_own_loss_alone():
    alone = []
    for weights in ((0.0, 1.0), (0.5, 1.0)):
        stage = game(weight=weights[0])
        stage.evaluate_terms(batch(), everything=False).total.backward()
        alone.append((gradients(stage.network), gradients(stage.discriminator)))
    (without, first), (with_term, second) = alone
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    pairs = [(a, b) for a, b in zip(without, with_term, strict=True) if a is not None]
    assert any(not torch.equal(a, b) for a, b in pairs)

    stage = game()
    stage.objective.weights.update(smoothness=0.0, adversarial=0.0)
    stage.evaluate_terms(batch(), everything=False).total.backward()
    assert all(gradient is None for gradient in gradients(stage.network))


def test_the_generators_gradient_is_the_derivative_of_its_loss():
    stage = game(smoothness=0.0)
    stage.evaluate_terms(batch(), everything=False).total.backward()
    weight = stage.network.restoration.texture.weight
    assert weight.grad.abs().max() > 0
    step = 0.03 * weight.grad / weight.grad.norm()

    def loss() -> float:
        with torch.no_grad():
            return float(stage.evaluate_terms(batch()).raw["adversarial"])

    with torch.no_grad():
        weight += step
        above = loss()
        weight -= 2 * step
        below = loss()
    # `total` has the weight 0.5.
    assert (above - below) / 2 == pytest.approx(float((weight.grad * step).sum()) / 0.5, rel=0.02)


def test_a_clipped_player_leaves_the_other_as_it_was():
    stage = game()
    optimiser = stage.configure_optimizers()["optimizer"]
    ours, theirs = (group["params"] for group in optimiser.param_groups)
    for parameter in ours:
        parameter.grad = torch.full_like(parameter, 10.0)
    for parameter in theirs:
        parameter.grad = torch.full_like(parameter, 1e-4)
    stage.configure_gradient_clipping(optimiser, 1.0, "norm")
    assert torch.cat([p.grad.flatten() for p in ours]).norm().item() == pytest.approx(1, abs=1e-4)
    assert all((parameter.grad == 1e-4).all() for parameter in theirs)


@pytest.mark.parametrize(("warmup", "silent"), [(0.0, 0), (0.25, 3), (0.3, 3), (0.5, 5), (1.0, 10)])
def test_the_generator_hears_nothing_until_the_warm_up_is_over(monkeypatch, warmup, silent):
    stage = game(warmup=warmup)
    for step in range(10):
        monkeypatch.setattr(RestorationStage, "progress", step / stage.recipe.steps)
        valued = stage.evaluate_terms(batch(), everything=True)
        assert valued.weights["adversarial"] == (0.0 if step < silent else 0.5)
        assert valued.raw["adversarial"].requires_grad == (step >= silent)
        assert valued.weights["discriminator"] == 1
        assert valued.raw["discriminator"].requires_grad


def test_progress_is_the_trainers(monkeypatch):
    stage = game()
    assert stage.progress == 1  # a finished stage is valued with all its terms

    class Trainer:
        global_step = 3

    stage._trainer = Trainer()  # type: ignore[assignment]
    assert stage.progress == pytest.approx(0.3)


class Loss(nn.Module):
    def __init__(self, stage: RestorationStage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, data: Batch) -> Tensor:
        return self.stage.evaluate_terms(data, everything=True).total


def play(rank: int, port: int, folder: str) -> None:
    """Train for four steps as one of two processes; write all parameters and buffers."""
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    stage = game()
    wrapped = DistributedDataParallel(Loss(stage), find_unused_parameters=True)
    optimiser = stage.configure_optimizers()["optimizer"]
    for step in range(4):
        optimiser.zero_grad()
        wrapped(batch(seed=10 * step + rank)).backward()
        stage.configure_gradient_clipping(optimiser, 1.0, "norm")
        optimiser.step()
    torch.save(stage.state_dict(), Path(folder, f"{rank}.pt"))
    leave_group()


def test_two_processes_keep_one_pair_of_players(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.spawn(play, (port, str(tmp_path)), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    start = game().state_dict()
    for part in ("network.", "discriminator."):
        names = [name for name in start if name.startswith(part)]
        assert any(not torch.equal(start[name], first[name]) for name in names)
