"""Balancing inside Lightning's own loop: accumulation, clipping, bf16, logging."""

from argparse import Namespace
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from torch.utils.data import DataLoader

from mtlsr.objective.balancing.table import FIXED, METHODS, build_balancer
from tests.objective.balancing.pair import TERMS, batch, stage

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*module\\(s\\) in eval mode.*", "ignore:.*no `val_dataloader`.*"
)


class Memory(Logger):
    """Keeps what is logged."""

    name = version = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.logged: dict[str, list[float]] = {}

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **_: Any) -> None:
        pass

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        for name, value in metrics.items():
            self.logged.setdefault(name, []).append(value)


def fit(module: pl.LightningModule, steps: int = 2, **options: Any) -> Memory:
    """Train for a few steps on random images."""
    memory = Memory()
    accumulated = options.get("accumulate_grad_batches", 1)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=steps,
        logger=memory,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    images = [batch(number) for number in range(steps * accumulated)]
    trainer.fit(module, DataLoader(images, batch_size=None))
    return memory


@pytest.mark.parametrize("name", [FIXED, *METHODS])
def test_both_networks_move_from_where_stage_one_ended(name):
    module = stage(None if name == FIXED else build_balancer(name, TERMS))
    before = {key: value.clone() for key, value in module.network.named_parameters()}
    memory = fit(module, precision="bf16-mixed", accumulate_grad_batches=2, gradient_clip_val=1.0)
    for network in ("realism.", "restoration."):
        moved = {
            key
            for key, value in module.network.named_parameters()
            if key.startswith(network) and not torch.equal(value, before[key])
        }
        assert len(moved) > 4
    assert all(value.isfinite().all() for value in module.network.parameters())
    assert "restoration/anchor/balance" not in memory.logged
    for term in TERMS:
        logged = memory.logged.get(f"restoration/{term}/balance", [])
        assert len(logged) == (0 if name == FIXED else 2)
    if name != FIXED:
        sums = [sum(memory.logged[f"restoration/{t}/balance"][i] for t in TERMS) for i in range(2)]
        assert sums == pytest.approx([3, 3], rel=1e-4)


def test_the_plain_sum_is_trained_as_without_balancing():
    found = []
    for every in (0, 1):
        module = stage()
        module.diagnose_every = every
        fit(module)
        found.append(module.state_dict())
    by_hand = stage()
    made = by_hand.configure_optimizers()
    for number in range(2):
        made["optimizer"].zero_grad()
        by_hand.evaluate_terms(batch(number)).total.backward()
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    found.append(by_hand.state_dict())
    for key, value in found[0].items():
        assert torch.equal(value, found[1][key])
        assert torch.equal(value, found[2][key])


def test_a_look_at_the_gradients_comes_on_schedule():
    module = stage()
    module.diagnose_every = 3
    memory = fit(module, steps=7)
    norms = [memory.logged[f"restoration/gradient_norm/{term}"] for term in TERMS]
    assert [len(found) for found in norms] == [2, 2, 2]
    assert min(min(found) for found in norms) > 0
    cosines = [n for n in memory.logged if n.startswith("restoration/cosine/")]
    assert len(cosines) == 3
    assert all(-1.001 <= memory.logged[name][0] <= 1.001 for name in cosines)


def test_a_term_that_has_not_joined_yet_does_not_pull():
    module = stage()
    module.diagnose_every = 1
    module.objective.starts["realism"] = 0.2  # of the recipe's ten steps
    memory = fit(module, steps=4)
    pulls = [memory.logged[f"restoration/gradient_norm/{term}"] for term in TERMS]
    assert [len(found) for found in pulls] == [4, 2, 4]


def test_famo_s_second_look_leaves_statistics_alone():
    found = []
    for name in (FIXED, "famo"):
        module = stage(None if name == FIXED else build_balancer(name, TERMS), pair="seed")
        fit(module, steps=1)
        found.append(dict(module.named_buffers()))
    assert any("running_mean" in name for name in found[0])
    for name, buffer in found[0].items():
        assert torch.equal(buffer, found[1][name])


def test_famo_learns_once_a_step_from_the_losses_after_it():
    module = stage(build_balancer("famo", TERMS))
    seen = []
    module.balancer.rule.update = seen.append
    fit(module, steps=1, accumulate_grad_batches=2)
    (after,) = seen
    with torch.no_grad():
        valued = module.evaluate_terms(batch(1))
    expected = torch.stack([valued.weights[name] * valued.raw[name] for name in TERMS])
    torch.testing.assert_close(after, expected)


def test_uncertainties_are_trained_at_their_own_rate_without_decay():
    module = stage(build_balancer("uncertainty", TERMS))
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [len(group["params"]) for group in groups][1:] == [1]
    assert groups[1]["weight_decay"] == 0
    assert (groups[0]["initial_lr"], groups[1]["initial_lr"]) == (1e-3, 0.025)
    (own,) = module.balancer.parameters()
    assert groups[1]["params"][0] is own
    assert not any(p is own for p in groups[0]["params"])
    fit(module)
    assert (own != 0).all()
    assert len(stage().configure_optimizers()["optimizer"].param_groups) == 1
