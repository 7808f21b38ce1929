"""The objective on whole held-out photographs."""

import json

import pytest

from mtlsr.runs import losses, photographs
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.terms import edge_error, finished_stage, held_out_terms
from mtlsr.runs.timing import stage_of
from mtlsr.train import run


def test_terms_of_weight_zero_are_valued_too(compose):
    cfg = compose("train", "loss=single_task")
    stage = stage_of(cfg, "restoration")
    (found,) = held_out_terms(stage, photographs.held_out(cfg, photographs.dataset(cfg))).values()
    assert set(found) == {"smoothness", "realism", "structure", "anchor"}
    assert found["structure"] > 0
    assert found["anchor"] == 0


def test_the_whole_photograph_is_judged_whatever_the_window(compose):
    values = []
    for window in (0, 16):
        cfg = compose("train", f"loss.realism.window={window}")
        stage = stage_of(cfg, "restoration")
        (found,) = held_out_terms(
            stage, photographs.held_out(cfg, photographs.dataset(cfg))
        ).values()
        values.append(found["realism"])
    assert values[0] == pytest.approx(values[1])


def test_a_run_writes_them(compose):
    folder = run(compose("train"))
    assert json.loads((folder / "terms.json").read_text())["folder-val"]["anchor"] > 0


@pytest.mark.parametrize("loss", ["default", "formula", "adversarial"])
def test_a_finished_stage_is_what_the_run_has_measured(compose, loss):
    batch = ["schedule.restoration.batch=2"]  # of one image less its own mean nothing is left
    cfg = compose("train", f"loss={loss}", *batch)
    folder = run(cfg)
    stage = finished_stage(folder)
    sets = photographs.held_out(cfg, photographs.dataset(cfg))
    written = json.loads((folder / "terms.json").read_text())["folder-val"]
    (found,) = held_out_terms(stage, sets).values()
    # What is centred is a difference: it keeps fewer digits.
    assert found == pytest.approx(written, rel=1e-4)
    if loss != "default":
        return
    errors = [edge_error(stage, pair) for pair in sets[0]]
    assert 0 < sum(errors) / len(errors) < written["structure"]


def test_a_folder_without_a_run_has_no_stage(tmp_path):
    with pytest.raises(ConfigError, match="no manifest"):
        finished_stage(tmp_path)


def test_the_style_term_joins_when_its_share_of_the_steps_is_done(compose):
    objective = losses.objective(compose("train", "loss.realism.start=0.25"), "restoration")
    assert objective.starts["realism"] == 0.25


def test_the_formula_has_every_term_from_the_first_step(compose):
    stage = stage_of(compose("train", "loss=formula"), "restoration")
    assert stage.objective.starts["realism"] == 0


def test_balancing_lets_the_style_term_join_as_the_plain_sum_does(compose):
    stage = stage_of(compose("train", "balancing=dwa"), "restoration")
    assert stage.balancer is not None
    assert stage.objective.starts["realism"] == 0.7
