"""loss=formula is the source's ℓ to the letter: composed, built, and computed again by hand."""

import numpy as np
import pytest
import torch

from mtlsr.data.batch import Batch
from mtlsr.runs.timing import stage_of
from mtlsr.train import run
from tests import by_hand

TINY = [
    "scale=2", "backbone.realism.first=3", "backbone.realism.widths=[4,4]",
    "backbone.restoration.units=[1,1]",
]  # fmt: skip


def batch(seed):
    generator = torch.Generator().manual_seed(seed)
    images = {
        name: torch.rand(2, 3, side, side, generator=generator)
        for name, side in (("lr", 8), ("lr_clean", 8), ("hr", 16))
    }
    return Batch(**images, degradation=torch.zeros(2, 5))


def exported(tensors):
    return {name: x.detach().double().numpy().copy() for name, x in tensors.items()}


def maps(image, weights):
    """The first block that judges: a convolution, then x + conv(ReLU(conv(x)))."""
    layers = ("stem", "block.expand", "block.project")
    stem, expand, project = ((weights[f"{x}.weight"], weights[f"{x}.bias"]) for x in layers)
    x = by_hand.convolution(image - 0.5, *stem)
    return x + by_hand.convolution(by_hand.convolution(x, *expand).clip(min=0), *project)


def test_the_formula_agrees_with_numpy_step_after_step(compose):
    lambdas = (0.7, 0.3, 1.3, 5.0)
    given = [f"loss.lambda{i}={value}" for i, value in enumerate(lambdas, start=1)]
    cfg = compose("train", "loss=formula", *TINY, *given)
    stage = stage_of(cfg, "restoration").train()
    with torch.no_grad():  # the networks have moved, the judge has not
        for parameter in stage.network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    optimiser = torch.optim.SGD(stage.parameters(), lr=0.1)
    earlier = {"sr": [], "hr": []}
    for step in range(4):
        images = batch(step)
        realism, restoration = stage.network(images.lr)
        known = exported(
            {
                "y": images.lr_clean,
                "y_hat": realism.reconstruction,
                "hr": images.hr,
                "sr": restoration.sr,
            }
        )
        theta = exported(dict(stage.network.realism.first_block.named_parameters()))
        ideal = exported(dict(stage.reference.named_parameters()))

        smoothness = np.mean((known["y"] - known["y_hat"]) ** 2)
        centred = {}
        for of in ("hr", "sr"):
            pooled = maps(known[of], ideal).mean(axis=(-2, -1))
            centred[of] = by_hand.centre(pooled, earlier[of], decay=0.9)
            earlier[of].append(pooled.mean(axis=0))
        realism = np.mean([np.sqrt(np.sum(x**2)) for x in centred["hr"] - centred["sr"]])
        structure = np.mean((known["hr"] - known["sr"]) ** 2)
        moved = [
            theta[f"block.{x}.weight"] - ideal[f"block.{x}.weight"] for x in ("expand", "project")
        ]
        anchor = np.mean(np.concatenate([x.ravel() for x in moved]) ** 2)

        valued = stage.evaluate_terms(images)
        expected = {
            "smoothness": smoothness,
            "realism": realism,
            "structure": structure,
            "anchor": anchor,
        }
        found = {name: raw.item() for name, raw in valued.raw.items()}
        assert found == pytest.approx(expected, abs=1e-6)
        assert found == pytest.approx(expected, rel=1e-4)
        assert min(expected.values()) > 1e-4
        total = np.dot(lambdas, list(expected.values()))
        assert valued.total.item() == pytest.approx(total, abs=1e-6)

        optimiser.zero_grad()
        valued.total.backward()
        optimiser.step()


def test_it_is_one_override_away(compose):
    folder = run(compose("train", "loss=formula"))
    state = torch.load(folder / "checkpoints" / "restoration" / "last.ckpt", weights_only=True)
    averages = {k: v for k, v in state["state_dict"].items() if ".averages." in k}
    assert {name.rsplit(".", 2)[-2] for name in averages} == {"sr", "hr"}
    weight = averages["objective.terms.realism.averages.hr.weight"]
    assert weight.item() == pytest.approx(sum(0.9**age for age in range(8)))  # 8 steps


def test_the_single_options_of_the_formula_can_be_set(compose):
    formula = compose("train", "loss=formula").loss
    by_option = compose(
        "train", "loss.lambda2=" + str(formula.lambda2), "loss.smoothness.distance=mse",
        "loss.smoothness.output=0", "loss.smoothness.reconstruction=1",
        "loss.smoothness.consistency=0", "loss.realism.statistic=centred",
        "loss.realism.average=0.9", "loss.realism.window=0", "loss.realism.start=0",
        "loss.structure.transform=identity", "loss.structure.map=0",
    ).loss  # fmt: skip
    assert by_option == formula
