"""Run folders that a stranger made: nothing of them runs, be they resumed or reproduced."""

import json
from pathlib import Path

import pytest

from mtlsr import reproduce
from mtlsr.runs.schema import ConfigError
from mtlsr.train import run

WANDB, BOARD = "mtlsr.runs.tracking.Wandb", "pytorch_lightning.loggers.TensorBoardLogger"


@pytest.fixture
def plain(compose):
    """The configuration of a run as its manifest holds it."""
    from mtlsr.runs.schema import plain

    return plain(compose("train", folder="run"))


def touching(victim: Path) -> dict:
    return {
        "_target_": "pathlib.Path.touch",
        "self": {"_target_": "pathlib.Path", "_args_": [str(victim)]},
    }


def hostile(victim: Path) -> list[dict]:
    return [
        {"_target_": "os.system", "command": f"touch {victim}"},
        {"_target_": "mtlsr.runs.build.Path.touch", "self": str(victim)},
        {"_target_": WANDB, "project": touching(victim)},
        {"_target_": BOARD, "name": [{"deep": touching(victim)}]},
        {"_target_": WANDB, "project": "${elsewhere}"},
        [touching(victim)],
        touching(victim),
    ]


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("way", ["resume", "reproduce"])
def test_a_manifest_that_names_a_function_is_refused(compose, plain, tmp_path, way, number):
    victim, folder = tmp_path / "victim", tmp_path / "run"
    folder.mkdir()
    plain |= {"logger": {"x": hostile(victim)[number]}, "elsewhere": touching(victim)}
    manifest = {"status": "done", "config": plain}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConfigError, match=r"logger\.x is .*; its _target_ is one of"):
        if way == "resume":
            run(compose("train", f"resume={folder}"))
        else:
            reproduce.reproduce(folder)
    assert sorted(tmp_path.rglob("*")) == [folder, folder / "manifest.json"]


@pytest.mark.parametrize(
    ("logger", "said"),
    [
        (
            {"_target_": WANDB, "project": "p", "settings": {"base_url": "http://x"}},
            r"settings is no",
        ),
        ({"_target_": WANDB, "project": "p", "dir": "/etc"}, "dir is no option; they are entity,"),
        ({"_target_": WANDB, "project": "../../p"}, "leads out of the run's folder"),
        ({"_target_": BOARD, "name": "../../other"}, "leads out of the run's folder"),
        ({"_target_": BOARD, "name": "board", "version": "/tmp/other"}, "leads out of the run's"),
        ({"_target_": BOARD, "name": "board", "sub_dir": {"a": 1}}, "a word, a number or true"),
    ],
)
def test_a_logger_writes_to_no_other_server_and_no_other_folder(
    compose, plain, tmp_path, logger, said
):
    folder = tmp_path / "run"
    folder.mkdir()
    plain |= {"logger": {"x": logger}}
    (folder / "manifest.json").write_text(json.dumps({"status": "failed", "config": plain}))
    with pytest.raises(ConfigError, match=rf"logger\.x\..*{said}"):
        run(compose("train", f"resume={folder}"))
    assert sorted(tmp_path.rglob("*")) == [folder, folder / "manifest.json"]


def test_tags_may_hold_paths(compose):
    from mtlsr.train import check

    tags = "+logger.wandb.tags=['dataset.root=../../photographs',fine]"
    check(compose("train", "logger=wandb", tags))


def test_a_logger_of_ones_own_is_refused_before_the_run_begins(compose):
    from mtlsr.train import check

    with pytest.raises(ConfigError, match=r"logger\.x is"):
        check(compose("train", "+logger.x._target_=my.Logger"))
