"""A network of one task through a whole run: what it leaves, and what it refuses to be asked."""

import csv
import json
import math
import signal

import hydra
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mtlsr import Upscaler, evaluate, predict
from mtlsr.data.images import read_image, write_image
from mtlsr.networks.base import SingleTaskNetwork
from mtlsr.networks.folder import load_model
from mtlsr.runs import build
from mtlsr.runs.command import conf_folder, quoted
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.stopping import Interrupted
from mtlsr.runs.timing import PARTS
from mtlsr.train import check, run

SINGLE = ["experiment=single_task", "backbone/single_task=span", "backbone.single_task.channels=4"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory, composer):
    """The folder of a run of a few steps of a small SPAN."""
    cfg = composer(tmp_path_factory.mktemp("single"), "train", *SINGLE)
    check(cfg)
    return run(cfg)


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


def test_the_experiment_and_a_name_are_all_that_is_needed(compose):
    cfg = compose("train", *SINGLE)
    assert list(cfg.stages) == ["restoration"]
    assert cfg.loss.lambda2 == cfg.loss.lambda3 == cfg.loss.lambda4 == 0
    assert build.single_task(cfg) == "span"
    assert isinstance(build.networks(cfg), SingleTaskNetwork)
    assert build.single_task(compose("train")) is None


def test_a_run_leaves_the_network_its_figures_and_pictures_of_images_alone(finished):
    model, architecture = load_model(finished / "model")
    assert architecture == {"single_task": {"name": "span", "channels": 4}, "scale": 4}
    assert isinstance(model, SingleTaskNetwork)
    (methods,) = json.loads((finished / "results.json").read_text())["datasets"].values()
    assert set(methods) == {"bicubic", "mtlsr"}
    assert math.isfinite(methods["mtlsr"]["psnr_y"])
    (terms,) = json.loads((finished / "terms.json").read_text()).values()
    assert set(terms) == {"smoothness"}
    assert [path.name for path in (finished / "pictures").iterdir()] == ["b.png"]
    assert json.loads((finished / "manifest.json").read_text())["status"] == "done"


def test_only_the_term_that_can_be_valued_is_logged(finished):
    with (finished / "metrics.csv").open(newline="") as file:
        columns = csv.DictReader(file).fieldnames or []
    assert "restoration/smoothness/raw" in columns
    assert not [name for name in columns if "anchor" in name or "structure" in name]


def composed(command, **values):
    """The real configuration of a command that takes a model."""
    given = [quoted(f"{key}={value}", []) for key, value in values.items()]
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return hydra.compose(command, given)


def test_it_is_evaluated_and_predicts_as_a_pair_does(finished, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    source, larger = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    write_image(source / "photo.png", image)
    upscaler = Upscaler.from_pretrained(finished, "cpu")
    enlarged = upscaler(image)
    assert (upscaler.scale, enlarged.shape) == (4, (36, 44, 3))
    assert predict.run(composed("predict", model=finished, input=source, output=larger)) == larger
    np.testing.assert_array_equal(read_image(larger / "photo.png"), enlarged)
    data = {"dataset": "folder", "dataset.root": larger, "dataset.holdout": 0, "split": "all"}
    cfg = composed("evaluate", model=finished, folder=tmp_path / "evaluated", **data)
    methods = json.loads((evaluate.run(cfg) / "results.json").read_text())["datasets"]["folder"]
    assert set(methods) == {"bicubic", "mtlsr"}


def test_a_stopped_run_goes_on_to_the_same_bits(finished, compose, monkeypatch):
    cfg = compose("train", *SINGLE)
    original = StageProgress.on_train_batch_end

    def stop(self, trainer, *rest):
        original(self, trainer, *rest)
        if trainer.global_step == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(StageProgress, "on_train_batch_end", stop)
        with pytest.raises(Interrupted, match="step 3"):
            run(cfg)
    found, expected = weights(run(compose("train", f"resume={cfg.folder}"))), weights(finished)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_fine_tuning_starts_from_the_model(compose, finished):
    cfg = compose("train", *SINGLE, f"init={finished}", "schedule.restoration.lr=1e-12")
    before, after = weights(finished), weights(run(cfg))
    for name, value in before.items():
        torch.testing.assert_close(value, after[name], atol=1e-8, rtol=1e-6)
    with pytest.raises(ConfigError, match=r"holds span ×4 .*; this run trains residual/unet ×4"):
        check(compose("train", f"init={finished}"))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["stages=[realism,restoration]"], "stages is ['realism', 'restoration']"),
        (["stages=[realism]"], "stages is ['realism']"),
        (["stage1=somewhere"], "stage1 is somewhere"),
        (["freeze_realism=true"], "freeze_realism is True"),
        (["loss.lambda2=0.1"], "loss.lambda2 is 0.1"),
        (["loss.lambda3=1"], "loss.lambda3 is 1.0"),
        (["loss.lambda4=1"], "loss.lambda4 is 1.0"),
        (["loss=default"], "loss.lambda2 is 0.1"),
        (["loss.smoothness.reconstruction=0.1"], "loss.smoothness.reconstruction is 0.1"),
        (["loss.smoothness.consistency=0.1"], "loss.smoothness.consistency is 0.1"),
    ],
)
def test_what_one_task_does_not_have_is_refused_with_its_key(compose, overrides, said):
    with pytest.raises(ConfigError, match=r"backbone\.single_task=span has one") as caught:
        check(compose("train", *SINGLE, *overrides))
    assert str(caught.value).startswith(said)
    assert "experiment=single_task" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_the_experiment_the_command_says_what_is_missing(compose):
    with pytest.raises(ConfigError, match=r"it must be \['restoration'\] \(experiment=single_task"):
        check(compose("train", "backbone/single_task=srcnn"))


def test_its_training_step_is_measured_alone(compose):
    cfg = compose("benchmark", *SINGLE, "repeats=1", "measured_steps=10")
    assert set(PARTS["objective"](cfg, cfg.folder)) == {"restoration"}
