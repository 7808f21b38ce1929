"""Stage 1's vector after stage 2: read anew from features that have drifted."""

import pytest
import torch

from mtlsr.data.batch import Batch
from mtlsr.data.loader import build_loader
from mtlsr.networks.base import TwoStageNetwork
from mtlsr.networks.folder import load_model
from mtlsr.runs import build, photographs
from mtlsr.runs import reading as module
from mtlsr.runs.reading import read_anew
from mtlsr.train import run

LONGER = ["schedule.restoration.batch=8", "schedule.restoration.steps=32"]


def drifted(cfg) -> TwoStageNetwork:
    """Both networks, the layers below the head moved."""
    model = build.networks(cfg).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for block in model.realism.blocks:
            for weight in block.parameters():
                weight.add_(0.2 * weight.std(correction=0) * torch.randn_like(weight))
    return model


def unseen(cfg, files) -> Batch:
    samples = photographs.degraded_samples(cfg, files)
    return list(build_loader(samples, 64, 20))[-1].floats()


def test_degradations_are_read_from_features_that_have_drifted(compose):
    cfg = compose("train", *LONGER)
    files = photographs.dataset(cfg)
    model, batch = drifted(cfg), unseen(cfg, files)
    with torch.no_grad():
        before = model.enlarged(batch.lr[:2])
        read_anew(cfg, files, model.realism)
        out = model.realism(batch.lr)
        said, read = (
            (each - batch.degradation).square().mean() for each in (out.vector, out.reading)
        )
        assert read < 0.7 * said
        assert torch.equal(model.enlarged(batch.lr[:2]), before)


def test_it_follows_from_the_weights_and_the_seed(compose):
    found = []
    for seed in (0, 0, 1):
        cfg = compose("train", *LONGER, f"seed={seed}")
        model = drifted(compose("train"))
        read_anew(cfg, photographs.dataset(cfg), model.realism)
        found.append(model.realism.reading.weight.clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize(("steps", "batches"), [(1, 1), (12, 3), (100, 4)])
def test_it_looks_at_no_more_than_stage_2_did(compose, monkeypatch, steps, batches):
    monkeypatch.setattr(module, "SAMPLES", 4 * module.BATCH)
    cfg = compose("train", "schedule.restoration.batch=8", f"schedule.restoration.steps={steps}")
    model = build.networks(cfg).eval()
    passes = []
    model.realism.register_forward_hook(lambda *_: passes.append(1))
    read_anew(cfg, photographs.dataset(cfg), model.realism)
    assert len(passes) == batches


def test_a_run_ends_with_it(compose):
    model, _ = load_model(run(compose("train")) / "model")
    assert model.realism.reading.weight.any()


def test_stage_2_alone_needs_nothing_of_stage_1s_photographs(compose, tmp_path):
    """Where stage 1 is another run's, its own photographs may be gone."""
    stage1 = run(compose("train", "stages=[realism]", folder="first"))
    cfg = compose(
        "train",
        "stages=[restoration]",
        f"stage1={stage1}",
        "dataset/realism=folder",
        f"dataset.realism.root={tmp_path / 'gone'}",
        folder="second",
    )
    assert load_model(run(cfg) / "model")[0].realism.reading.weight.any()
