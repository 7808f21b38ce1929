"""Bad steps: named, kept, replayed; and what each policy makes of them."""

import json
import math
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file

from mtlsr.objective.structure import StructureTerm
from mtlsr.runs.checkpoints import read
from mtlsr.runs.guard import BadStep
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.stopping import Interrupted
from mtlsr.stages.restoration import RestorationStage
from mtlsr.train import check, run
from tests.runs.test_signals import asked_at
from tests.same_runs import assert_equal, logged

PLAN = ["trainer.log_every=1", "schedule.restoration.steps=9", "trainer.checkpoint.steps=2"]


@contextmanager
def broken(kind: str, step: int):
    """Let the structure term of stage 2 be bad in step `step`, counted from 0."""
    original = RestorationStage.evaluate_terms
    here = {"step": -1}

    def evaluate(self, batch, everything=True):
        here["step"] = self.global_step if self._trainer is not None else -1
        return original(self, batch, everything)

    term = StructureTerm.forward

    def forward(self, sr, structure, hr):
        value = term(self, sr, structure, hr)
        if here["step"] != step or not torch.is_grad_enabled():
            return value
        if kind == "value":
            return value * math.nan
        if kind == "gradient":  # √x at 0
            return value + (0 * structure).square().sum().sqrt()
        return value * 1e6

    with (
        patch.object(RestorationStage, "evaluate_terms", evaluate),
        patch.object(StructureTerm, "forward", forward),
    ):
        yield


def last(folder: Path) -> dict:
    return read(folder / "checkpoints" / "restoration" / "last.ckpt")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("value", "step 5: the loss is nan; the value of structure is not finite."),
        ("gradient", "step 5: the gradient is not finite; the gradient of structure is not"),
        ("explosion", "was its mean; the largest term is structure with"),
    ],
)
def test_a_bad_step_is_named_kept_and_replayed(compose, capfd, kind, said):
    cfg = compose("train", *PLAN)
    with broken(kind, 5), pytest.raises(BadStep) as caught:
        run(cfg)
    assert said in str(caught.value)
    assert last(Path(cfg.folder))["global_step"] == 4
    assert '"status": "failed"' in Path(cfg.folder, "manifest.json").read_text()
    file = Path(cfg.folder, "replay", "restoration_5", "step.json")
    assert f"python -m mtlsr.train replay={file}" in str(caught.value)
    kept = json.loads(file.read_text())
    assert kept["samples"] == [10, 11]
    capfd.readouterr()
    before = sorted(Path(cfg.folder).rglob("*"))
    with broken(kind, 5):
        run(compose("train", f"replay={file}"))
    told = capfd.readouterr().out
    assert said.split(";")[0] in told
    for name, value in kept["terms"].items():
        assert f"  {name}: {value:.6g}, gradient {kept['gradient_norms'][name]:.6g}\n" in told
    run(compose("train", f"replay={file}"))
    told = capfd.readouterr().out
    assert "The step passes." in told
    for name in kept["terms"].keys() - {"structure"}:  # by the weights that the step began with
        line = f"  {name}: {kept['terms'][name]:.6g}, gradient {kept['gradient_norms'][name]:.6g}\n"
        assert line in told
    assert sorted(Path(cfg.folder).rglob("*")) == before


@pytest.mark.parametrize("policy", ["skip", "rewind"])
def test_statistics_forget_a_batch_that_overflows(compose, policy):
    original = RestorationStage.evaluate_terms

    def evaluate(self, batch, everything=True):
        if self._trainer is not None and self.global_step == 5 and torch.is_grad_enabled():
            batch = replace(batch, lr=batch.lr * math.inf)
        return original(self, batch, everything)

    seed = ["backbone/realism=seed", "backbone/restoration=seed"]
    with patch.object(RestorationStage, "evaluate_terms", evaluate):
        folder = run(compose("train", *PLAN, *seed, f"trainer.guard.policy={policy}"))
    trained = load_file(folder / "model" / "model.safetensors")
    assert any("running_mean" in name for name in trained)
    assert all(value.isfinite().all() for value in trained.values())


def test_the_gradient_of_a_bad_step_touches_nothing_where_it_is_skipped(compose, capfd):
    skip = [*PLAN, "trainer.guard.policy=skip"]
    with broken("value", 8):
        folder = run(compose("train", *skip))
    assert "restoration step 8: the loss is nan" in capfd.readouterr().out
    state = last(folder)
    assert state["global_step"] == 9
    with asked_at(8, 2), pytest.raises(Interrupted):  # the first time is stage 1's, of 4 steps
        run(compose("train", *PLAN, folder="shorter"))
    shorter = last(folder.parent / "shorter")
    for part in ("optimizer_states", "current_model_state"):
        assert_equal(shorter[part], state[part])


def test_steps_that_are_all_bad_end_the_run_after_all(compose):
    patient = ["trainer.guard.policy=skip", "schedule.restoration.steps=20", "trainer.log_every=1"]
    with (
        patch.object(StructureTerm, "forward", lambda self, sr: sr.mean() * math.nan),
        pytest.raises(BadStep, match="step 10: the loss is nan"),
    ):
        run(compose("train", *patient))


@pytest.mark.parametrize(("step", "first"), [(5, 4), (1, 0)])
def test_a_rewind_leaves_out_the_steps_since_the_checkpoint(compose, step, first):
    rewind = [*PLAN, "trainer.guard.policy=rewind"]
    with broken("value", step):
        folder = run(compose("train", *rewind))
    kept = folder / "checkpoints" / "restoration"
    assert json.loads((kept / "left_out.json").read_text()) == [[first, step]]
    rows = [int(row["step"]) for row in logged(folder) if row["restoration/loss"]]
    assert rows == list(range(9))
    done = {int(each["step"]) for each in last(folder)["optimizer_states"][0]["state"].values()}
    assert done == {9 - (step - first + 1)}


def test_an_unknown_policy_is_refused(compose):
    with pytest.raises(ConfigError, match=r"guard\.policy is 'pray'; it is one of stop, skip, rew"):
        check(compose("train", "trainer.guard.policy=pray"))


def test_memory_that_runs_out_names_a_batch_that_fits(compose):
    original = RestorationStage.evaluate_terms

    def evaluate(self, batch, everything=True):
        if len(batch) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return original(self, batch, everything)

    given = ["schedule.restoration.batch=12", *PLAN]
    with (
        patch.object(RestorationStage, "evaluate_terms", evaluate),
        pytest.raises(ValueError, match=r"batch is 12, and memory .*: schedule.*batch=3 fits\."),
    ):
        run(compose("train", *given))


def test_what_is_no_step_file_is_refused(compose, tmp_path):
    for content in ("", "{}", "[]", '{"stage": "realism", "step": "many"}'):
        (tmp_path / "step.json").write_text(content)
        with pytest.raises(ConfigError, match=r"which is no step\.json"):
            check(compose("train", f"replay={tmp_path}/step.json"))
