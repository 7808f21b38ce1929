"""balancing=<method> from the command line's configuration to a run's folder."""

import csv
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mtlsr.objective.balancing.table import FIXED, METHODS
from mtlsr.runs import losses
from mtlsr.runs.command import conf_folder
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.stopping import Interrupted
from mtlsr.train import check, run
from tests.conftest import QUICK
from tests.runs.test_interruption import interrupted_at

TERMS = ("smoothness", "realism", "structure")


def made(cfg, stage="restoration"):
    return losses.balancer(cfg, stage, losses.objective(cfg, stage))


def test_every_method_has_a_choice_of_its_own(compose):
    choices = {file.stem for file in Path(conf_folder(), "balancing").glob("*.yaml")}
    assert choices == {FIXED, *METHODS}
    for name, method in METHODS.items():
        cfg = compose("train", f"balancing={name}")
        assert {"normalize", *method.options} <= set(cfg.balancing)
        assert ("form" in cfg.balancing) is method.gramian
        balancer = made(cfg)
        assert isinstance(balancer, method.balancer)
        assert balancer.names == TERMS


def test_values_of_a_method_reach_it(compose):
    given = ["balancing=cagrad", "balancing.c=0.2", "balancing.form=cheap", "seed=7"]
    balancer = made(compose("train", *given, "balancing.normalize=none"))
    assert (balancer.rule.weighting.c, balancer.form) == (0.2, "cheap")
    assert (balancer.normalize, balancer.seed) == ("none", 7)


def test_stage_one_is_left_alone_unless_it_is_named(compose):
    assert made(compose("train", "balancing=upgrad"), "realism") is None
    both = compose("train", "balancing=upgrad", "balancing.stages=[realism,restoration]")
    assert made(both, "realism").names == TERMS
    assert made(compose("train"), "restoration") is None


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["trainer.precision=16-mixed"], "trainer.precision=16-mixed does not reach; use bf16-mix"),
        (["trainer.strategy=fsdp"], "balancing need them whole: use ddp"),
        (["loss=single_task"], "only smoothness takes part in balancing"),
        (["loss.lambda2=0", "loss.lambda3=0"], "only smoothness takes part in balancing"),
        (["balancing.form=quick"], "form is 'quick'; it is one of exact, cheap"),
        (["balancing.normalize=max"], "normalize is 'max'; it is one of sum_to_k, none"),
        (["balancing.stages=[polish]"], "balancing.stages holds 'polish'; they are realism"),
        (["balancing.name=luck"], "balancing.name is 'luck'; it is one of fixed, uncertainty"),
        (["balancing=gradvac", "balancing.beta=2"], "balancing.beta is 2.0; it must be at least 0"),
        (["balancing=gradnorm", "trainer.precision=16-mixed"], "balancing=gradnorm takes gradient"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(compose, tmp_path, overrides, said):
    with pytest.raises(ValueError, match=r"\w") as caught:
        check(compose("train", "balancing=upgrad", *overrides))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_what_is_missing_is_refused_at_the_start(compose, monkeypatch):
    monkeypatch.setattr("mtlsr.objective.balancing.table.find_spec", lambda package: None)
    with pytest.raises(ValueError, match=r"balancing=upgrad needs the packages torchjd and qpsol"):
        check(compose("train", "balancing=upgrad"))
    check(compose("train"))


def test_methods_of_losses_work_where_those_of_gradients_do_not(compose):
    assert made(compose("train", "balancing=dwa", "trainer.precision=16-mixed")) is not None


@pytest.mark.parametrize("form", ["exact", "cheap"])
def test_a_run_logs_weights_norms_and_cosines(compose, form):
    given = ["balancing.diagnose_every=4", "loss.realism.start=0"]
    cfg = compose("train", "balancing=upgrad", f"balancing.form={form}", *given)
    with (run(cfg) / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    shares = [[row[f"restoration/{term}/balance"] for term in TERMS] for row in rows]
    chosen = [[float(share) for share in row] for row in shares if row[0]]
    assert len(chosen) == 4
    assert [sum(row) for row in chosen] == pytest.approx([3] * 4, rel=1e-4)
    assert "realism/smoothness/balance" not in rows[0]
    for stage, count in (("realism", 1), ("restoration", 2)):
        for name in (*(f"gradient_norm/{term}" for term in TERMS), "cosine/smoothness~structure"):
            found = [float(row[f"{stage}/{name}"]) for row in rows if row[f"{stage}/{name}"]]
            assert len(found) == count
            assert all(math.isfinite(value) and value != 0 for value in found)


def test_stage_one_can_be_balanced_too(compose):
    cfg = compose("train", "balancing=mgda", "balancing.stages=[realism]", "stages=[realism]")
    with (run(cfg) / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(bool(row["realism/structure/balance"]) for row in rows) == 2
    nested = compose("train", "balancing=mgda", "balancing.stages=[realism]", "stages=[realism]",
                     "balancing.form=cheap", folder="nested")  # fmt: skip
    with pytest.raises(ConfigError, match=r"balancing\.form=cheap is for stage 2"):
        check(nested)


def test_a_stopped_run_goes_on_with_what_the_method_had_learnt(compose):
    """FAMO learns after the step, from another look at its batch: the hardest to stop."""
    given = ["balancing=famo", "schedule.restoration.steps=6", "stages=[restoration]"]
    given += ["loss.lambda2=0", "loss.lambda4=0"]
    straight = run(compose("train", *given, folder="straight"))
    cfg = compose("train", *given, folder="stopped")
    with interrupted_at("restoration", 3), pytest.raises(Interrupted):
        run(cfg)
    last = torch.load(f"{cfg.folder}/checkpoints/restoration/last.ckpt", weights_only=True)
    assert last["current_model_state"]["balancer._extra_state"]["calls"] == 3
    stopped = run(compose("train", f"resume={cfg.folder}"))
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (straight, stopped))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["upgrad", "famo", "uncertainty"])
def test_two_processes_balance_what_one_balances_with_twice_the_batch(
    command, tmp_path, cache, small_photographs, compose, method
):
    given = [f"balancing={method}", "trainer.precision=32-true", "balancing.diagnose_every=4"]
    data = ["dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=1"]
    two = [*QUICK, *data, f"cache={cache}", "logger=csv", "trainer=ddp_cpu", *given]
    done = command("train", tmp_path, *two, f"hydra.run.dir={tmp_path}/pair")
    assert done.returncode == 0, done.stderr[-2000:]
    twice = ["schedule.realism.batch=4", "schedule.restoration.batch=4"]
    alone = run(compose("train", *twice, *given, folder="alone"))
    expected, found = (
        load_file(folder / "model" / "model.safetensors") for folder in (alone, tmp_path / "pair")
    )
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, atol=1e-4, rtol=1e-3)
