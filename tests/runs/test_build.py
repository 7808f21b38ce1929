"""From configuration to objects."""

import pytest
import torch

from mtlsr.runs import build
from mtlsr.runs.schema import ConfigError


def test_networks_follow_from_the_seed_alone(compose):
    torch.manual_seed(5)
    first = build.networks(compose("train")).state_dict()
    torch.manual_seed(6)
    again = build.networks(compose("train")).state_dict()
    other = build.networks(compose("train", "seed=1")).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("last", [True, False])
def test_memory_format_is_a_value(compose, last):
    model = build.networks(compose("train", f"trainer.channels_last={str(last).lower()}"))
    weight = next(p for p in model.parameters() if p.ndim == 4 and min(p.shape) > 1)
    assert weight.is_contiguous(memory_format=torch.channels_last) is last


def test_stages_do_not_see_the_same_draws(compose):
    cfg = compose("train", "schedule.restoration.patch=16", "schedule.restoration.batch=2")
    batches = [next(iter(build.loader(cfg, s, build.dataset(cfg)))) for s in build.STAGES]
    assert not torch.equal(batches[0].lr_clean, batches[1].lr_clean)


def test_validation_is_the_same_for_every_seed(compose):
    batches = []
    for seed in (0, 1):
        cfg = compose("train", f"seed={seed}")
        batches.append(next(iter(build.validation_loader(cfg, "realism", build.dataset(cfg)))))
    assert torch.equal(batches[0].lr, batches[1].lr)


def test_precision_is_what_is_asked_or_what_the_hardware_has(compose):
    assert build.precision(compose("train", "trainer.precision=32-true")) == "32-true"
    automatic = build.precision(compose("train", "trainer.accelerator=cpu"))
    assert automatic == ("bf16-mixed" if build.computes_bf16() else "32-true")


def test_the_degradation_has_the_configured_ranges(compose):
    cfg = compose("train", "degradation.realism.noise=[2,3]", "degradation.realism.jpeg=[50,60]")
    ranges = build.ranges(cfg.degradation.realism)
    assert ranges.noise == (2, 3)
    assert ranges.jpeg == (50, 60)


def test_an_unknown_transform_is_named(compose):
    with pytest.raises(ConfigError, match=r"loss\.structure\.transform is 'curl'"):
        build.architecture(compose("train", "loss.structure.transform=curl"))


@pytest.mark.parametrize("stage", build.STAGES)
def test_bare_bf16_training_step_is_finite(compose, stage):
    from mtlsr.runs.timing import stage_of

    cfg = compose("train")
    module = stage_of(cfg, stage).train()
    batch = next(iter(build.loader(cfg, stage, build.dataset(cfg)))).floats()
    with torch.autocast("cpu", torch.bfloat16):
        valued = module.evaluate_terms(batch, everything=True)
    assert valued.total.dtype == torch.float32
    assert valued.total.isfinite()
