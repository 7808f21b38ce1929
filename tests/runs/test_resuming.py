"""Death at any moment: the resumed run ends with the same bits as one that was never disturbed."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from mtlsr import files
from mtlsr.networks import folder as models
from mtlsr.runs import checkpoints
from mtlsr.runs.averaging import AveragedWeights
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.saving import Checkpoints
from mtlsr.runs.schema import ConfigError
from mtlsr.train import run
from tests.same_runs import assert_same, logged

PLAN = [
    "schedule.realism.validations=2",
    "schedule.restoration.validations=3",
    "schedule.restoration.steps=9",
    "trainer.log_every=1",
    "trainer.checkpoint.steps=2",
]


class Died(BaseException):
    """Nobody catches it but to tidy up, and a killed process does not even that."""


@pytest.fixture(scope="module")
def straight(tmp_path_factory, composer):
    return run(composer(tmp_path_factory.mktemp("straight"), "train", *PLAN))


@contextmanager
def dying(owner: object, name: str, when: Callable[..., bool]) -> Iterator[None]:
    """Let the call of `name` that `when` chooses be this process's last."""
    original = getattr(owner, name)

    def call(*arguments: object, **named: object) -> object:
        if when(*arguments):
            raise Died
        return original(*arguments, **named)

    # A killed process takes nothing away that it had begun.
    kept = patch.object(Path, "unlink"), patch.object(shutil, "rmtree")
    with patch.object(owner, name, call), kept[0], kept[1]:
        yield


def at(stage: str, step: int) -> Callable[..., bool]:
    return lambda _, trainer, module, *rest: module.stage == stage and trainer.global_step == step


def nth(count: int) -> Callable[..., bool]:
    calls = iter(range(1, count + 1))
    return lambda *_: next(calls, None) == count


@pytest.mark.parametrize(
    ("owner", "name", "when"),
    [
        (StageProgress, "on_train_batch_end", at("realism", 1)),  # no checkpoint yet
        (StageProgress, "on_train_batch_end", at("realism", 4)),  # before the last validation
        (StageProgress, "on_train_batch_end", at("restoration", 1)),  # stage 2 from stage 1's end
        (StageProgress, "on_train_batch_end", at("restoration", 3)),  # before a validation
        (StageProgress, "on_train_batch_end", at("restoration", 4)),
        (StageProgress, "on_train_batch_end", at("restoration", 8)),
        (StageProgress, "on_validation_end", at("restoration", 6)),
        (AveragedWeights, "on_validation_epoch_end", at("restoration", 6)),  # swapped
        (Checkpoints, "_name_best", nth(4)),  # the best state has no second name yet
        (files, "sync", nth(5)),  # written, and not in its place
        (checkpoints.torch, "save", nth(6)),
        (models.os, "replace", lambda path, _: path.name == models.WEIGHTS),
    ],
)
def test_a_dead_run_goes_on_to_the_same_bits(compose, straight, owner, name, when):
    cfg = compose("train", *PLAN, folder="dead")
    with dying(owner, name, when), pytest.raises(Died):
        run(cfg)
    assert_same(straight, run(compose("train", f"resume={cfg.folder}")))


def test_a_run_that_dies_again_and_again_goes_on(compose, straight):
    cfg = compose("train", *PLAN, folder="dead")
    given = cfg
    for stage, step in (("realism", 3), ("restoration", 3), ("restoration", 5), ("restoration", 9)):
        hook = dying(StageProgress, "on_train_batch_end", at(stage, step))
        with hook, pytest.raises(Died):
            run(given)
        given = compose("train", f"resume={cfg.folder}")
    assert_same(straight, run(given))


def test_a_run_goes_on_with_what_its_optimiser_has_averaged(compose):
    plan = [*PLAN, *(f"schedule.{stage}.optimiser=muon" for stage in ("realism", "restoration"))]
    undisturbed = run(compose("train", *plan, folder="undisturbed"))
    cfg = compose("train", *plan, folder="dead")
    with dying(StageProgress, "on_train_batch_end", at("restoration", 5)), pytest.raises(Died):
        run(cfg)
    assert_same(undisturbed, run(compose("train", f"resume={cfg.folder}")))


def test_stage_2_begins_with_the_generators_that_stage_1_left(compose):
    """Whether stage 1 was trained just now, or by a process that died at stage 2's first step."""
    states = []

    def note(original: Callable[..., None]) -> Callable[..., None]:
        def on_train_start(self, trainer, module):
            original(self, trainer, module)
            torch.rand(3 if module.stage == "realism" else 0)
            if module.stage == "restoration":
                states.append(torch.get_rng_state())

        return on_train_start

    cfg = compose("train", *PLAN, folder="dead")
    with patch.object(StageProgress, "on_train_start", note(StageProgress.on_train_start)):
        with dying(StageProgress, "on_train_batch_end", at("restoration", 1)), pytest.raises(Died):
            run(cfg)
        run(compose("train", f"resume={cfg.folder}"))
    assert torch.equal(*states)


def test_a_run_without_validation_has_a_checkpoint_every_few_steps(compose):
    given = [*PLAN, "schedule.restoration.validations=0", "stages=[restoration]"]
    given += ["loss.lambda2=0", "loss.lambda4=0"]
    cfg = compose("train", *given, folder="dead")
    with (
        dying(StageProgress, "on_train_batch_end", at("restoration", 6)),
        pytest.raises(Died),
    ):
        run(cfg)
    kept = Path(cfg.folder, "checkpoints", "restoration")
    steps = {path.name: checkpoints.read(path)["global_step"] for path in kept.iterdir()}
    assert steps == {"last.ckpt": 4, "previous.ckpt": 2}


def test_minutes_that_have_passed_are_a_reason_too(compose, monkeypatch):
    given = [*PLAN, "trainer.checkpoint.steps=0", "trainer.checkpoint.minutes=1"]
    seconds = iter(range(0, 10**6, 25))  # a step seems to take 25 seconds
    monkeypatch.setattr("mtlsr.runs.saving.time.monotonic", lambda: next(seconds))
    cfg = compose("train", *given, "schedule.realism.validations=0", "schedule.realism.steps=12")
    with dying(StageProgress, "on_train_batch_end", at("realism", 7)), pytest.raises(Died):
        run(cfg)
    assert checkpoints.read(Path(cfg.folder, "checkpoints/realism/last.ckpt"))["global_step"] > 2


def test_the_moved_folder_of_a_dead_run_goes_on(compose, straight, tmp_path):
    cfg = compose("train", *PLAN, folder="dead")
    with dying(StageProgress, "on_train_batch_end", at("restoration", 8)), pytest.raises(Died):
        run(cfg)
    moved = shutil.move(cfg.folder, tmp_path / "moved")
    assert_same(straight, run(compose("train", f"resume={moved}")))


def test_a_folder_that_holds_a_run_takes_no_other_one(compose, straight):
    before = {path: path.stat().st_mtime_ns for path in straight.rglob("*")}
    other = compose("train", *PLAN, "loss.lambda2=0.5", f"folder={straight}")
    with pytest.raises(ConfigError, match=r"holds a training already; go on with it by resume="):
        run(other)
    assert {path: path.stat().st_mtime_ns for path in straight.rglob("*")} == before


def test_every_step_of_both_stages_is_logged_once(straight):
    for stage, steps in (("realism", 4), ("restoration", 9)):
        rows = [int(row["step"]) for row in logged(straight) if row[f"{stage}/loss"]]
        assert rows == list(range(steps))
