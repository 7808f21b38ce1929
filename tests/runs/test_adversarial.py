"""Whole runs with the adversarial term: what they log, keep and leave out, and that they repeat."""

import csv
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mtlsr.networks.discriminators.patchgan import PatchGan
from mtlsr.objective.adversarial import discriminator_loss
from mtlsr.runs import losses
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.stopping import Interrupted
from mtlsr.train import check, run
from tests.runs.test_interruption import LONGER, interrupted_at

GAME = ["loss=adversarial", "loss.adversarial.discriminator.width=4", "trainer.log_every=1"]


WARM = 9
"""Steps of the warm-up, of 12."""
TIMED = [*GAME, *LONGER, "loss.adversarial.warmup=0.75"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, composer):
    """A run whose stage 2 ends three steps after its warm-up."""
    return run(composer(tmp_path_factory.mktemp("game"), "train", *TIMED))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["restoration/loss"]]


def checkpoint(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "restoration" / "last.ckpt", weights_only=True)


def test_both_losses_and_the_share_of_right_ranks_are_logged(finished):
    found = rows(finished)
    given = json.loads((finished / "manifest.json").read_text())["config"]["loss"]["adversarial"]
    assert len(found) == 12
    for step, row in enumerate(found):
        for term, full in (("adversarial", given["weight"]), ("discriminator", 1.0)):
            raw, weight, product = (
                float(row[f"restoration/{term}/{kind}"]) for kind in ("raw", "weight", "weighted")
            )
            silent = term == "adversarial" and step < WARM
            assert weight == pytest.approx(0 if silent else full)
            assert product == pytest.approx(raw * weight, rel=1e-5)
        assert float(row["restoration/adversarial/right"]) in (0, 0.5, 1)  # pairs of a batch of 2


def test_terms_on_whole_photographs_hold_the_game_too(finished):
    (found,) = json.loads((finished / "terms.json").read_text()).values()
    assert found["adversarial"] > 0
    nothing = discriminator_loss(torch.zeros(1), torch.zeros(1)).item()
    assert 0 < found["discriminator"] < 2 * nothing


def test_the_model_holds_no_discriminator_and_the_checkpoint_does(finished):
    assert not [
        name for name in load_file(finished / "model" / "model.safetensors") if "discrim" in name
    ]
    state = checkpoint(finished)["state_dict"]
    assert "discriminator.second.u" in state
    assert len([name for name in state if "discriminator.first.weight" in name]) == 1


def test_the_discriminator_is_not_averaged(finished):
    state = checkpoint(finished)
    averaged, live = state["state_dict"], state["current_model_state"]
    for name, value in live.items():
        if name.startswith(("discriminator.", "reference.")):
            assert torch.equal(averaged[name], value)
    assert any(
        not torch.equal(averaged[name], live[name]) for name in live if name.startswith("network.")
    )


def test_a_stopped_game_goes_on_to_the_same_bits(compose, finished):
    cfg = compose("train", *TIMED, folder="stopped")
    # After a validation, and before the warm-up is over.
    with interrupted_at("restoration", 7), pytest.raises(Interrupted):
        run(cfg)
    stopped = run(compose("train", f"resume={cfg.folder}"))
    for name in ("model/model.safetensors", "terms.json", "results.json"):
        assert (finished / name).read_bytes() == (stopped / name).read_bytes()
    a, b = checkpoint(finished), checkpoint(stopped)
    for part in ("state_dict", "current_model_state"):
        assert a[part].keys() == b[part].keys()
        assert all(torch.equal(a[part][name], b[part][name]) for name in a[part])
    for before, after in zip(rows(finished), rows(stopped), strict=True):
        assert before["restoration/adversarial/weight"] == after["restoration/adversarial/weight"]
        assert before["restoration/loss"] == after["restoration/loss"]


@pytest.mark.parametrize(
    ("name", "kind", "precision"),
    [
        ("unet", "hinge", "bf16-mixed"),
        ("unet", "lsgan", "32-true"),
        ("patchgan", "relativistic", "bf16-mixed"),
    ],
)
def test_other_games_train_too(compose, finished, name, kind, precision):
    given = [f"loss.adversarial.kind={kind}", f"loss.adversarial.discriminator.name={name}"]
    given += ["loss.adversarial.warmup=0", f"trainer.precision={precision}"]
    taken = ["stages=[restoration]", f"stage1={finished}"]
    folder = run(compose("train", *GAME, *given, *taken))
    assert all(math.isfinite(float(row["restoration/loss"])) for row in rows(folder))


def test_without_its_weight_nothing_is_built(compose):
    cfg = compose("train")
    assert cfg.loss.adversarial.weight == 0
    assert losses.discriminator(cfg) is None
    assert "discriminator" not in losses.objective(cfg, "restoration").terms
    assert "adversarial" not in losses.objective(compose("train", *GAME), "realism").terms


def test_the_discriminator_follows_from_the_seed_alone(compose):
    def weight(*overrides: str) -> torch.Tensor:
        torch.manual_seed(torch.seed())
        return losses.discriminator(compose("train", *GAME, *overrides)).first.weight

    assert torch.equal(weight(), weight("loss.adversarial.weight=0.5"))
    assert not torch.equal(weight(), weight("seed=1"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["loss.adversarial.kind=wgan"], "kind is 'wgan'; it is one of relativistic, hinge"),
        (["loss.adversarial.discriminator.name=vgg"], "name is 'vgg'; known are patchgan, unet"),
        (["+loss.adversarial.discriminator.depth=2"], "depth is not an option of 'patchgan'"),
        (["loss.adversarial.weight=-1"], "loss.adversarial.weight is -1.0; it must be finite"),
        (["loss.adversarial.warmup=1.5"], "loss.adversarial.warmup is 1.5; it must be at least 0"),
        (["loss.adversarial.lr=0"], "loss.adversarial.lr is 0.0; it must be finite and above 0"),
        (["stages=[realism]"], "the adversarial term belongs to stage 2"),
    ],
)
def test_what_cannot_be_played_is_refused_with_a_sentence(compose, overrides, said):
    cfg = compose("train", *GAME, *overrides)
    with pytest.raises(ValueError, match=r"\w") as caught:
        check(cfg)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_patches_that_are_too_small_for_the_discriminator_are_refused(compose, monkeypatch):
    monkeypatch.setattr(PatchGan, "minimum", 61)
    with pytest.raises(
        ConfigError, match=r"restoration\.patch is 16; .*'patchgan' needs at least 21"
    ):
        check(compose("train", *GAME, "scale=3"))


def test_the_game_alone_may_train_stage_2_where_it_begins_at_once(compose):
    given = ["loss=adversarial", "loss.lambda1=0", "loss.lambda3=0"]
    losses.objective(compose("train", *given, "loss.adversarial.warmup=0"), "restoration")
    with pytest.raises(ConfigError, match="nothing would train stage 2's network"):
        losses.objective(compose("train", *given), "restoration")
