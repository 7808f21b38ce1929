"""Ctrl-C and going on: the end is the same, to the bit, as without the interruption."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file

from mtlsr.runs.progress import StageProgress
from mtlsr.runs.stopping import Interrupted
from mtlsr.train import run

LONGER = ["schedule.restoration.validations=2", "schedule.restoration.steps=12"]


@contextmanager
def interrupted_at(stage: str, step: int) -> Iterator[None]:
    """Send this process a Ctrl-C when `stage` reaches `step`."""
    original = StageProgress.on_train_batch_end

    def hook(self, trainer, module, *rest):
        original(self, trainer, module, *rest)
        if module.stage == stage and trainer.global_step == step:
            signal.raise_signal(signal.SIGINT)

    with patch.object(StageProgress, "on_train_batch_end", hook):
        yield


@pytest.mark.parametrize(
    ("stage", "step"), [("realism", 2), ("restoration", 5), ("restoration", 6)]
)
def test_a_stopped_run_goes_on_to_the_same_bits(compose, stage, step):
    straight = run(compose("train", *LONGER, folder="straight"))
    cfg = compose("train", *LONGER, folder="stopped")
    before = signal.getsignal(signal.SIGINT)
    with interrupted_at(stage, step), pytest.raises(Interrupted, match=f"step {step}.*resume="):
        run(cfg)
    assert signal.getsignal(signal.SIGINT) == before
    assert '"status": "interrupted"' in Path(cfg.folder, "manifest.json").read_text()
    stopped = run(compose("train", f"resume={cfg.folder}"))
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (straight, stopped))
    assert all(torch.equal(a[name], b[name]) for name in a)
    for name in ("results.json", "per_image.csv"):
        assert (straight / name).read_bytes() == (stopped / name).read_bytes()
    steps = [
        [line.split(",")[0] for line in (folder / "metrics.csv").read_text().splitlines()]
        for folder in (straight, stopped)
    ]
    assert steps[0] == steps[1]


def test_batch_normalisation_survives_a_stop_too(compose):
    seed = ["backbone/realism=seed", "backbone/restoration=seed", *LONGER]
    straight = run(compose("train", *seed, folder="straight"))
    cfg = compose("train", *seed, folder="stopped")
    with interrupted_at("restoration", 7), pytest.raises(Interrupted):
        run(cfg)
    stopped = run(compose("train", f"resume={cfg.folder}"))
    a, b = (load_file(folder / "model" / "model.safetensors") for folder in (straight, stopped))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_moving_averages_survive_a_stop_too(compose):
    averaged = ["loss.realism.average=0.9", "loss.realism.start=0", *LONGER]
    straight = run(compose("train", *averaged, folder="straight"))
    cfg = compose("train", *averaged, folder="stopped")
    with interrupted_at("restoration", 7), pytest.raises(Interrupted):
        run(cfg)
    last = Path(cfg.folder, "checkpoints", "restoration", "last.ckpt")
    saved = torch.load(last, weights_only=True)
    for state in (saved["state_dict"], saved["current_model_state"]):
        weight = state["objective.terms.realism.averages.sr.weight"]
        assert weight.item() == pytest.approx(sum(0.9**age for age in range(7)))
    stopped = run(compose("train", f"resume={cfg.folder}"))
    a, b = (
        torch.load(folder / "checkpoints/restoration/last.ckpt", weights_only=True)["state_dict"]
        for folder in (straight, stopped)
    )
    assert len([name for name in a if ".averages." in name]) == 4
    assert all(torch.equal(a[name], b[name]) for name in a)
