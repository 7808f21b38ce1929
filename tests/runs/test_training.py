"""Whole runs of a few steps, in this process: what they leave, and that they repeat."""

import csv
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning.utilities.rank_zero import rank_zero_only
from safetensors.torch import load_file

from mtlsr.data.images import write_image
from mtlsr.networks.folder import load_model
from mtlsr.runs import build, photographs, training
from mtlsr.runs.schema import STAGES, ConfigError
from mtlsr.runs.starting import start_weights
from mtlsr.train import check, run

SEED = ["backbone/realism=seed", "backbone/restoration=seed"]
TERMS = {
    "realism": ("smoothness", "realism", "structure"),
    "restoration": ("smoothness", "realism", "structure", "anchor"),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, composer):
    """The folder of one default run of a few steps."""
    return run(composer(tmp_path_factory.mktemp("finished"), "train"))


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def trained(folder):
    """The weights without the reading, which is fitted when all training has ended."""
    return {name: value for name, value in weights(folder).items() if ".reading." not in name}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_leaves_what_the_design_promises(finished):
    for name in ("manifest.json", "metrics.csv", "per_image.csv", "results.json"):
        assert (finished / name).stat().st_size > 0
    for stage in TERMS:
        for name in ("best.ckpt", "last.ckpt"):
            state = torch.load(finished / "checkpoints" / stage / name, weights_only=True)
            assert state["state_dict"]
    model, architecture = load_model(finished / "model")
    assert model.scale == architecture["scale"] == 4
    for picture in (finished / "pictures").iterdir():
        with Image.open(picture) as image:
            assert min(image.size) > 90
    assert not list(finished.rglob("*.tmp"))


def test_the_manifest_explains_the_run(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["config"]["loss"]["lambda2"] > 0
    assert set(manifest["seconds"]) == {"realism", "restoration", "evaluation"}
    assert len(manifest["data"]) == 64
    assert manifest["versions"]["torch"] == torch.__version__


def test_results_name_data_set_method_and_metric(finished):
    results = json.loads((finished / "results.json").read_text())
    assert set(results) == {"protocol", "datasets"}
    assert set(results["datasets"]) == {"folder-val"}
    for methods in results["datasets"].values():
        assert set(methods) == {"bicubic", "mtlsr"}
        for scores in methods.values():
            assert set(scores) == {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "images"}
            assert all(math.isfinite(value) for value in scores.values())


def test_every_term_is_logged_as_it_is_and_weighted(finished):
    with (finished / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for stage, terms in TERMS.items():
        logged = [row for row in rows if row[f"{stage}/loss"]]
        assert logged
        for row in logged:
            products = 0.0
            for term in terms:
                raw, weight, product = (
                    float(row[f"{stage}/{term}/{kind}"]) for kind in ("raw", "weight", "weighted")
                )
                assert product == pytest.approx(raw * weight, rel=1e-5)
                products += product
            assert float(row[f"{stage}/loss"]) == pytest.approx(products, rel=1e-4)
        assert any(row[f"{stage}/samples_per_second"] for row in rows)
    assert any(row["restoration/val/psnr_y"] for row in rows)


def test_the_anchor_is_zero_when_stage_two_begins(compose):
    cfg = compose("train", "trainer.log_every=1")
    folder = run(cfg)
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["restoration/anchor/raw"]]
    assert float(rows[0]["restoration/anchor/raw"]) == 0
    assert float(rows[-1]["restoration/anchor/raw"]) > 0


def test_the_drift_of_each_anchored_layer_is_logged(finished):
    with (finished / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["restoration/anchor/raw"]]
    for layer in ("expand", "project"):
        drifts = [float(row[f"restoration/anchor/drift/{layer}"]) for row in rows]
        assert len(drifts) > 1
        assert all(0 < drift < 1 for drift in drifts)


def test_equal_seeds_give_equal_bits_and_other_seeds_other_batches(compose, finished):
    again = run(compose("train", folder="again"))
    assert same(weights(finished), weights(again))
    assert (finished / "results.json").read_bytes() == (again / "results.json").read_bytes()
    first, second = compose("train", "trainer.workers=0"), compose("train", "seed=1")
    for stage in STAGES:
        batches = [
            next(iter(photographs.loader(cfg, stage, photographs.dataset(cfg))))
            for cfg in (first, second)
        ]
        assert not torch.equal(batches[0].lr, batches[1].lr)


@pytest.mark.parametrize("pair", [[], SEED])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_each_pair_trains_in_each_precision_of_a_cpu(compose, precision, pair):
    folder = run(compose("train", f"trainer.precision={precision}", *pair))
    scores = json.loads((folder / "results.json").read_text())["datasets"]["folder-val"]["mtlsr"]
    assert math.isfinite(scores["psnr_y"])


def test_batches_do_not_depend_on_lambda(compose):
    batches = []
    for value in ("0.1", "0.5"):
        cfg = compose("train", f"loss.lambda2={value}")
        batches.append(next(iter(photographs.loader(cfg, "restoration", photographs.dataset(cfg)))))
    assert torch.equal(batches[0].hr, batches[1].hr)
    assert torch.equal(batches[0].lr, batches[1].lr)


def test_a_stage_one_can_be_taken_from_another_run(compose, finished):
    whole = weights(finished)
    folder = run(compose("train", "stages=[restoration]", f"stage1={finished}", folder="second"))
    assert same(whole, weights(folder))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["stage1"]["data"] == manifest["data"]


def test_an_unfinished_stage_one_is_refused(compose, finished):
    path = finished / "manifest.json"
    before = path.read_text()
    manifest = json.loads(before)
    manifest["config"]["schedule"]["realism"]["steps"] += 1
    path.write_text(json.dumps(manifest))
    try:
        with pytest.raises(ConfigError, match=r"stopped after step 4 of 5.*resume="):
            check(compose("train", "stages=[restoration]", f"stage1={finished}"))
    finally:
        path.write_text(before)


def test_stage_one_alone_leaves_a_checkpoint_and_no_model(compose):
    folder = run(compose("train", "stages=[realism]"))
    assert (folder / "checkpoints" / "realism" / "last.ckpt").is_file()
    assert not (folder / "model").exists()


def test_a_frozen_stage_one_does_not_move(compose, finished):
    folder = run(
        compose("train", "stages=[restoration]", f"stage1={finished}", "freeze_realism=true")
    )
    path = finished / "checkpoints" / "realism" / "last.ckpt"
    stage1 = torch.load(path, weights_only=True)["state_dict"]
    found = trained(folder)
    for name in (n for n in found if n.startswith("realism.")):
        assert torch.equal(found[name], stage1["network." + name.removeprefix("realism.")])


@pytest.mark.parametrize("experiment", ["joint", "single_task", "frozen"])
def test_the_named_experiments_run(compose, experiment):
    folder = run(compose("train", f"experiment={experiment}"))
    assert json.loads((folder / "manifest.json").read_text())["status"] == "done"


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("pair", [("residual", "unet"), ("seed", "seed")])
def test_every_scale_and_pair_trains(compose, scale, pair):
    cfg = compose(
        "train", f"scale={scale}", f"backbone/realism={pair[0]}", f"backbone/restoration={pair[1]}"
    )
    assert load_model(run(cfg) / "model")[0].scale == scale


def test_fine_tuning_starts_from_the_model(compose, finished):
    cfg = compose(
        "train", "stages=[restoration]", f"init={finished}", "schedule.restoration.lr=1e-12"
    )
    before, after = trained(finished), trained(run(cfg))
    assert before.keys() == after.keys()
    for name, value in before.items():
        torch.testing.assert_close(value, after[name], atol=1e-8, rtol=1e-6)


def test_fine_tuning_for_another_scale_begins_the_last_layers_anew(compose, finished):
    cfg = compose("train", "scale=2", f"init={finished}")
    model = build.networks(cfg)
    fresh = {name: value.clone() for name, value in model.state_dict().items()}
    start_weights(cfg, model)
    theirs, found = weights(finished), model.state_dict()
    anew = {name for name in found if found[name].shape != theirs[name].shape}
    assert anew == {
        *(
            f"restoration.{head}.{kind}"
            for head in ("structure", "texture")
            for kind in ("weight", "bias")
        ),
        "restoration.fuse.weight",
    }
    for name, value in found.items():
        assert torch.equal(value, (fresh if name in anew else theirs)[name])


def test_fine_tuning_keeps_the_backbone(compose, finished):
    with pytest.raises(ConfigError, match=r"holds residual/unet ×4 .*; this run trains .*×2"):
        check(compose("train", "scale=2", f"init={finished}", "backbone.restoration.units=[3,1]"))


def test_stage_two_sees_degraded_images_by_choice(compose):
    cfg = compose("train", "degradation=classical", "schedule.restoration.batch=16")
    batch = next(iter(photographs.loader(cfg, "restoration", photographs.dataset(cfg))))
    assert (batch.degradation > 0).any()
    assert not torch.equal(batch.lr, batch.lr_clean)
    run(cfg)


def test_the_bundled_photographs_train_and_are_measured(compose):
    folder = run(compose("train", "dataset=photos"))
    found = json.loads((folder / "results.json").read_text())["datasets"]
    assert {name: methods["mtlsr"]["images"] for name, methods in found.items()} == {
        "photos": 2,
        "photos-val": 1,
    }


def test_real_photographs_without_high_resolution_train_stage_one(compose, tmp_path, finished):
    real = tmp_path / "real"
    real.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        write_image(real / f"{i}.png", rng.integers(0, 256, (18, 21, 3), dtype=np.uint8))
    given = ["experiment=real_photographs", f"dataset.realism.root={real}"]
    folder = run(compose("train", *given))
    manifest = json.loads((folder / "manifest.json").read_text())
    before = json.loads((finished / "manifest.json").read_text())
    assert manifest["status"] == "done"
    assert manifest["data"] != before["data"]
    assert not same(weights(folder), weights(finished))
    # The same stage 1, taken by a run that names stage 2's photographs alone, gives the same model.
    taken = run(compose("train", "stages=[restoration]", f"stage1={folder}", folder="taken"))
    assert same(weights(folder), weights(taken))
    assert json.loads((taken / "manifest.json").read_text())["data"] == before["data"]
    write_image(real / "0.png", rng.integers(0, 256, (15, 21, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"0\.png.*15x21"):
        check(compose("train", *given, "dataset.realism.holdout=0", folder="small"))


def test_averaged_weights_are_the_model(compose):
    cfg = compose("train", folder="averaged")
    path = run(cfg) / "checkpoints" / "restoration" / "last.ckpt"
    state = torch.load(path, weights_only=True)
    averaged, live = state["state_dict"], state["current_model_state"]
    model = trained(path.parents[2])
    for name, value in model.items():
        assert torch.equal(value, averaged["network." + name])
    assert any(not torch.equal(live[name], averaged[name]) for name in averaged)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["dataset.name=nowhere"], "nowhere"),
        (["dataset.root=/nowhere"], "/nowhere"),
        (["backbone.realism.name=huge"], "backbone.realism.name is 'huge'; known are"),
        (["+backbone.restoration.depth=3"], "backbone.restoration.depth is not an option"),
        (["scale=5"], "scale is 5"),
        (["trainer.workers=-1"], "trainer.workers is -1; it must be finite and at least 0"),
        (["trainer.threads=0"], "trainer.threads is 0; it must be finite and at least 1"),
        (["stages=[polish]"], "stages holds 'polish'"),
        (["stages=[]"], "stages is empty"),
        (["stages=[restoration]"], "without a stage 1"),
        (["stage1=/nowhere", "stages=[restoration]"], "stage1 is '/nowhere'"),
        (["init=/nowhere"], "'/nowhere' does not exist"),
        (["resume=/nowhere"], "resume is '/nowhere'"),
        (["loss.smoothness.distance=l3"], "loss.smoothness.distance is 'l3'; it is one of mse"),
        (["loss.realism.statistic=mood"], "loss.realism.statistic is 'mood'; it is one of gram"),
        (["loss.structure.transform=curl"], "loss.structure.transform is 'curl'; it is one of"),
        (
            ["loss.realism.average=1"],
            "loss.realism.average is 1.0; it must be at least 0 and below",
        ),
        (
            ["loss=single_task", "loss.smoothness.output=0"],
            "loss.smoothness.output, luma, reconstruct",
        ),
        (["loss=formula", "schedule.restoration.batch=1"], "schedule.restoration.batch is 1: one"),
        (["loss=formula", "loss.lambda2=0", "loss.lambda3=0"], "nothing would train stage 2"),
        (["loss.lambda1=0", "loss.lambda3=0"], "loss.lambda2 is 0.1 with loss.realism.start=0.7"),
        (
            ["stages=[restoration]", "freeze_realism=true", "loss.lambda2=0", "loss.lambda4=0"],
            "freeze_realism is true, but there is no stage 1",
        ),
        (["balancing=mgda", "balancing.stages=[]"], "stages is ['realism', 'restoration']: it wo"),
        (["balancing=mgda", "stages=[realism]"], "balancing.stages=['restoration'], and stages is"),
        (["schedule.restoration.patch=300"], "at least 1200x1200 are needed"),
        (["loss=single_task", "loss.lambda1=0", "experiment=single_task"], "nothing to train"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_a_sentence(compose, tmp_path, overrides, said):
    with pytest.raises(ValueError, match=r"\w") as caught:
        check(compose("train", *overrides))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("other", [["scale=2"], SEED, ["degradation/realism=realistic"]])
def test_a_stage_one_of_another_scale_backbone_or_generator_is_refused(compose, finished, other):
    cfg = compose("train", "stages=[restoration]", f"stage1={finished}", *other)
    with pytest.raises(ConfigError, match="stage1="):
        check(cfg)


def test_the_last_checkpoint_is_the_last_steps_also_where_an_earlier_one_is_best(compose):
    worse = ["schedule.restoration.lr=0.03", "schedule.restoration.averaging=0"]
    worse.append("trainer.guard.explosion=0")
    counts = ["schedule.restoration.steps=9", "schedule.restoration.validations=4"]
    folder = run(compose("train", *worse, *counts)) / "checkpoints" / "restoration"
    best, last = (
        torch.load(folder / f"{name}.ckpt", weights_only=True)["global_step"]
        for name in ("best", "last")
    )
    assert best < 8
    assert last == 9


def test_a_finished_stage_leaves_each_process_of_each_node_its_own_generators(
    compose, tmp_path, monkeypatch
):
    """Lightning tells a process that it started its number on its node, and that of the node."""
    cfg = compose("train", "trainer=ddp_cpu", "trainer.num_nodes=2", folder=tmp_path)
    for name, value in {"NODE_RANK": "1", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 0)  # Lightning sets it for good; this undoes it
    state = {"global_step": cfg.schedule.realism.steps, "state_dict": {}}
    state["callbacks"] = {"Checkpoints": {"generators": []}}
    restored = []
    monkeypatch.setattr(training, "newest", lambda folder: (tmp_path / "last.ckpt", state))
    monkeypatch.setattr(training, "restore_generators", lambda states, rank: restored.append(rank))
    stage = SimpleNamespace(stage="realism", load_state_dict=lambda values: None)
    training.Training(cfg, None, tmp_path, [], None, None).fit(stage)
    assert restored == [3]
