"""From configuration to objects."""

import numpy as np
import pytest
import torch

from mtlsr.data.degradation import Realistic, bicubic, classical, realistic
from mtlsr.data.images import read_image, write_image
from mtlsr.runs import build, hardware, photographs
from mtlsr.runs.command import quoted
from mtlsr.runs.schema import STAGES, ConfigError
from mtlsr.train import check


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
    batches = [next(iter(photographs.loader(cfg, s, photographs.dataset(cfg)))) for s in STAGES]
    assert not torch.equal(batches[0].lr_clean, batches[1].lr_clean)


def test_validation_is_the_same_for_every_seed(compose):
    batches = []
    for seed in (0, 1):
        cfg = compose("train", f"seed={seed}")
        batches.append(
            next(iter(photographs.validation_loader(cfg, "realism", photographs.dataset(cfg))))
        )
    assert torch.equal(batches[0].lr, batches[1].lr)


def test_precision_is_what_is_asked_or_what_the_hardware_has(compose):
    assert hardware.precision(compose("train", "trainer.precision=32-true")) == "32-true"
    automatic = hardware.precision(compose("train", "trainer.accelerator=cpu"))
    assert automatic == ("bf16-mixed" if hardware.computes_bf16() else "32-true")


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "7-bit"])
def test_another_precision_is_refused(compose, precision):
    with pytest.raises(ConfigError, match=r"it is one of auto, 32-true, bf16-mixed, 16-mixed\."):
        check(compose("train", f"trainer.precision={precision}"))


@pytest.mark.parametrize("betas", ["[]", "[0.9]", "[0.9,1]", "[nan,0.9]"])
def test_betas_that_adamw_cannot_use_are_refused(compose, betas):
    with pytest.raises(ConfigError, match=r"schedule\.realism\.betas is \[.*two numbers, at least"):
        check(compose("train", f"schedule.realism.betas={betas}"))


def test_an_optimiser_that_is_not_known_is_refused(compose):
    with pytest.raises(ConfigError, match=r"schedule\.realism\.optimiser is 'sgd'; .* adamw, muon"):
        check(compose("train", "schedule.realism.optimiser=sgd"))


def test_the_degradation_has_the_configured_ranges(compose):
    cfg = compose("train", "degradation.realism.noise=[2,3]", "degradation.realism.jpeg=[50,60]")
    found = photographs.degradation(cfg.degradation.realism)
    assert found.noise == (2, 3)
    assert found.jpeg == (50, 60)


def test_configured_degradations_are_the_packages_own(compose):
    cfg = compose("train", "degradation/realism=classical")
    assert photographs.degradation(cfg.degradation) == bicubic
    assert photographs.degradation(cfg.degradation.realism) == classical
    cfg = compose("train", "degradation=realistic", "degradation/realism=realistic")
    assert photographs.degradation(cfg.degradation) == realistic
    assert photographs.degradation(cfg.degradation.realism) == realistic
    cfg = compose("train", "degradation/realism=realistic", "degradation.realism.first.blur=[1,2]")
    assert photographs.degradation(cfg.degradation.realism).first.blur == (1, 2)


def test_the_vector_has_an_entry_for_each_strength_of_the_generator(compose):
    cfg = compose("train", "degradation/realism=realistic")
    assert photographs.strengths(cfg) == Realistic.names
    model = build.networks(cfg)
    batch = next(
        iter(photographs.validation_loader(cfg, "realism", photographs.dataset(cfg)))
    ).floats()
    assert model.realism(batch.lr).vector.shape == batch.degradation.shape
    assert build.architecture(compose("train"))["vector_size"] == 5


def test_an_impossible_degradation_is_named(compose):
    with pytest.raises(ConfigError, match=r"degradation classical: blur is \[2\.0, 1\.0\]"):
        photographs.degradation(compose("train", "degradation.blur=[2,1]").degradation)
    with pytest.raises(ConfigError, match="name is 'foggy'; it is one of classical, realistic"):
        photographs.degradation(compose("train", "degradation.name=foggy").degradation)


def test_without_a_codec_the_training_device_degrades(compose):
    cfg = compose("train", "degradation.realism.jpeg_probability=0")
    batch = next(iter(photographs.loader(cfg, "realism", photographs.dataset(cfg))))
    assert batch.draws is not None
    assert torch.equal(batch.lr, batch.lr_clean)
    degraded = (batch.degradation > 0.3).any(dim=1)
    assert (batch.floats().lr != batch.floats().lr_clean).flatten(1).any(dim=1)[degraded].all()
    for stage in STAGES:
        cfg = compose("train")
        assert next(iter(photographs.loader(cfg, stage, photographs.dataset(cfg)))).draws is None


def test_an_unknown_transform_is_named(compose):
    with pytest.raises(ConfigError, match=r"loss\.structure\.transform is 'curl'"):
        build.architecture(compose("train", "loss.structure.transform=curl"))


@pytest.mark.parametrize("stage", STAGES)
def test_bare_bf16_training_step_is_finite(compose, stage):
    from mtlsr.runs.timing import stage_of

    cfg = compose("train")
    module = stage_of(cfg, stage).train()
    batch = next(iter(photographs.loader(cfg, stage, photographs.dataset(cfg)))).floats()
    with torch.autocast("cpu", torch.bfloat16):
        valued = module.evaluate_terms(batch, everything=True)
    assert valued.total.dtype == torch.float32
    assert valued.total.isfinite()


@pytest.fixture
def real_photographs(tmp_path):
    """Small photographs without high resolution: 20 x 24 pixels."""
    folder = tmp_path / "real"
    folder.mkdir()
    rng = np.random.default_rng(5)
    for i in range(5):
        write_image(folder / f"{i}.png", rng.integers(0, 256, (20, 24, 3), dtype=np.uint8))
    return folder


@pytest.fixture
def pairs(tmp_path):
    """Real pairs at scale 4, whose low resolution is not the bicubic."""
    root = tmp_path / "pairs"
    rng = np.random.default_rng(6)
    for folder in ("HR", "LR"):
        (root / folder).mkdir(parents=True)
    for i in range(4):
        lr = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        write_image(root / "LR" / f"{i}x4.png", lr)
        write_image(root / "HR" / f"{i}.png", lr.repeat(4, 0).repeat(4, 1))
    return root


def stored(cfg, stage="restoration"):
    return photographs.samples(cfg, stage, photographs.dataset(cfg)).store


def test_stage_one_takes_the_low_resolution_of_stage_two(compose):
    cfg = compose("train")
    assert stored(cfg, "realism").folder == stored(cfg).folder
    assert photographs.fingerprint(cfg, photographs.dataset(cfg)) == stored(cfg).fingerprint


def test_stage_one_may_have_photographs_of_its_own(compose, real_photographs):
    own = ["dataset/realism=folder", f"dataset.realism.root={real_photographs}"]
    cfg, plain = compose("train", *own), compose("train")
    files = photographs.dataset(cfg)
    samples = photographs.samples(cfg, "realism", files)
    assert (samples.scale, samples.store.scale, len(samples.store)) == (1, 1, 2)
    used = read_image(real_photographs / samples.store.names[0])
    np.testing.assert_array_equal(samples.store.lr(0), used)  # neither shrunk nor cropped
    batch = next(iter(photographs.loader(cfg, "realism", files)))
    assert batch.hr is None
    assert batch.lr_clean.shape[1:3] == (16, 16)
    validated = next(iter(photographs.validation_loader(cfg, "realism", files)))
    assert validated.lr.shape[1:3] == (16, 16)
    # Stage 2 goes on as before, and the manifest tells the two runs apart.
    assert stored(cfg).folder == stored(plain).folder
    found = {photographs.fingerprint(each, photographs.dataset(each)) for each in (cfg, plain)}
    alone = compose("train", *own, "stages=[realism]")
    found |= {photographs.fingerprint(alone, photographs.dataset(alone)), samples.store.fingerprint}
    assert len(found) == 3
    assert all(len(each) == 64 for each in found)


def test_stage_one_may_shrink_photographs_of_its_own(compose, pairs):
    cfg = compose(
        "train", "dataset/realism=folder", f"dataset.realism.root={pairs}/HR",
        "dataset.realism.downscale=true", "dataset.realism.fraction=0.5",
        "dataset.realism.holdout=0", "dataset.realism.balance=0.25",
    )  # fmt: skip
    samples = photographs.samples(cfg, "realism", photographs.dataset(cfg))
    assert samples.store.lr_sizes == [(20, 24)] * 2
    assert samples.balance == 0.25
    assert photographs.samples(cfg, "restoration", photographs.dataset(cfg)).balance == 1


def test_stage_one_sees_nothing_that_is_held_out(compose, small_photographs):
    cfg = compose(
        "train", "dataset/realism=folder", f"dataset.realism.root={small_photographs}",
        "dataset.realism.holdout=0",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"dataset\.realism would train on .*holds out"):
        photographs.samples(cfg, "realism", photographs.dataset(cfg))


def test_stage_one_sees_no_low_resolution_that_is_held_out(compose, pairs):
    cfg = compose(
        "train", "dataset=pairs", f"dataset.root={pairs}", "dataset.holdout=1",
        "dataset/realism=folder", f"dataset.realism.root={pairs}/LR", "dataset.realism.holdout=0",
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"dataset\.realism would train on .*LR.*holds out"):
        photographs.samples(cfg, "realism", photographs.dataset(cfg))


def test_training_takes_the_low_resolution_of_pairs(compose, pairs):
    cfg = compose("train", "dataset=pairs", f"dataset.root={pairs}", "dataset.holdout=1")
    store = stored(cfg)
    for i, name in enumerate(store.names):
        given = read_image(pairs / "LR" / f"{name[0]}x4.png")
        np.testing.assert_array_equal(store.lr(i), given)
    assert stored(cfg, "realism").folder == store.folder
    (held_out,) = photographs.held_out(cfg, photographs.dataset(cfg))
    np.testing.assert_array_equal(held_out[0].hr[::4, ::4], held_out[0].lr)
    batch = next(iter(photographs.loader(cfg, "restoration", photographs.dataset(cfg))))
    assert torch.equal(batch.hr[:, ::4, ::4], batch.lr_clean)


def test_a_mixture_draws_by_weight(compose, small_photographs, real_photographs):
    parts = (
        f"dataset.parts=[{{name: folder, root: {small_photographs}, holdout: 1, weight: 3}}, "
        "{name: photos}]"
    )
    cfg = compose("train", "dataset=mixture", parts)
    files = photographs.dataset(cfg)
    assert [(part.count, part.weight) for part in files.parts] == [(3, 3), (12, 1)]
    assert (len(files.val), len(files.test)) == (2, 2)
    data = photographs.samples(cfg, "restoration", files)
    drawn = [data.draw(k)[0] for k in range(2000)]
    assert np.mean(np.array(drawn) < 3) == pytest.approx(0.75, abs=0.04)  # 4 standard deviations
    swept = compose("train", "dataset=mixture", parts, "dataset.parts.0.weight=1")
    assert photographs.dataset(swept).parts[0].weight == 1


def test_photographs_are_learned_from_at_shares_of_their_size(compose):
    cfg, plain = compose("train", "dataset.shrunk=[0.5]"), compose("train")
    files = photographs.dataset(cfg)
    assert len(stored(cfg)) == 2 * len(stored(plain)) == 2 * len(files.train)
    assert stored(cfg, "realism").folder == stored(cfg).folder
    assert photographs.fingerprint(cfg, files) != photographs.fingerprint(plain, files)
    for split in ("train", "val"):
        held_out = photographs.stage_store(cfg, "restoration", files, split)
        alone = photographs.stage_store(plain, "restoration", files, split)
        assert (held_out.folder == alone.folder) == (split == "val")


def test_shrinking_what_cannot_be_is_refused(compose, pairs):
    for overrides, said in (
        (["dataset.shrunk=[0.5,2]"], r"shrunk holds 2\.0: shares above 0 and below 1 are needed"),
        (["dataset=pairs", f"dataset.root={pairs}", "dataset.shrunk=[0.5]"], "cannot be shrunk"),
    ):
        cfg = compose("train", *overrides)
        with pytest.raises(ValueError, match=said):
            stored(cfg)


def test_a_fraction_is_the_same_for_every_seed_of_a_run(compose):
    def names(*overrides):
        cfg = compose("train", "dataset=photos", *overrides)
        return set(stored(cfg).names)

    few, more = names("dataset.fraction=0.25"), names("dataset.fraction=0.5")
    assert len(few) == 3
    assert len(more) == 6
    assert few < more
    assert names("dataset.fraction=0.25", "seed=1") == few
    assert names("dataset.fraction=0.25", "dataset.fraction_seed=1") != few


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["dataset=mixture"], "dataset.parts is empty; a mixture is made of data sets"),
        (["dataset.parts=[{name: photos}]"], "dataset.parts is for a mixture only"),
        (["dataset=mixture", "dataset.parts=[{name: nowhere}]"], "no data set 'nowhere'"),
        (
            ["dataset=mixture", "dataset.parts=[{name: photos}, {name: pairs}]"],
            "The data set pairs needs root, the folder that holds its images: "
            "dataset.parts.1.root=<folder>",
        ),
        (["dataset.realism.name=t91"], "dataset.realism.root=<folder>"),
        (["dataset.realism.name=mixture"], "dataset.realism.parts is empty"),
        (["dataset=div2k", "dataset.root=null"], "python -m mtlsr.prepare dataset=div2k fetches"),
    ],
)
def test_data_sets_that_cannot_be_had_are_refused(compose, monkeypatch, tmp_path, overrides, said):
    monkeypatch.setenv("MTLSR_DATA", str(tmp_path / "none"))
    cfg = compose("train", *overrides)
    with pytest.raises(ValueError, match=r"\w") as caught:
        photographs.samples(cfg, "realism", photographs.dataset(cfg))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("strategy", ["auto", "ddp"])
def test_several_processes_may_leave_weights_without_gradient(compose, strategy):
    given = ["trainer=cpu", "trainer.devices=2", f"trainer.strategy={strategy}"]
    trainer = build.trainer(compose("train", *given), "restoration", logger=False)
    assert trainer.strategy._ddp_kwargs == {"find_unused_parameters": True}


def test_paths_of_stage_one_are_quoted():
    assert quoted("dataset.realism.root=a,b (1)", []) == "dataset.realism.root='a,b (1)'"
    assert quoted("dataset.realism.val_root=a=b", []) == "dataset.realism.val_root='a=b'"
