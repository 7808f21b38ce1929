"""A run again from its manifest, and what the manifest does not say."""

import json
import shutil
import sys

import pytest

from mtlsr import reproduce
from mtlsr.train import run


@pytest.fixture(scope="module")
def finished(tmp_path_factory, composer):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("WANDB_API_KEY", "a-secret-key")
        patched.setenv("OMP_NUM_THREADS", "1")
        return run(composer(tmp_path_factory.mktemp("reproduced") / "run", "train"))


def answer(monkeypatch, capfd, *arguments):
    monkeypatch.setattr(sys, "argv", ["reproduce", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        reproduce.main()
    said = capfd.readouterr()
    return end.value.code, said.out + said.err


def test_the_same_code_gives_the_same_bits(finished, monkeypatch, capfd):
    code, said = answer(monkeypatch, capfd, finished)
    assert code == 0
    assert "Model: the same bits." in said
    assert "results.json: the same bytes." in said
    assert "differs" not in said
    assert (finished.parent / "run-reproduced" / "model").is_dir()
    code, said = answer(monkeypatch, capfd, finished)
    assert (code, said.count("\n")) == (1, 1)
    assert "exists; remove it first" in said
    shutil.rmtree(finished.parent / "run-reproduced")


def test_what_is_different_is_said(finished, monkeypatch, capfd, tmp_path):
    changed = shutil.copytree(finished, tmp_path / "changed")
    manifest = json.loads((changed / "manifest.json").read_text())
    manifest["versions"]["torch"] = "1.0"
    manifest["config"]["seed"] = 7
    (changed / "manifest.json").write_text(json.dumps(manifest))
    code, said = answer(monkeypatch, capfd, changed)
    assert code == 1
    assert "torch was 1.0 then, and is " in said
    assert " apart, more than any other tensor." in said


def test_a_job_of_a_sweep_trains_its_own_stage_1_again(finished, monkeypatch, capfd, tmp_path):
    job = shutil.copytree(finished, tmp_path / "job")
    manifest = json.loads((job / "manifest.json").read_text())
    manifest["config"]["sweep"]["stage1"] = str(tmp_path / "shelf")
    (job / "manifest.json").write_text(json.dumps(manifest))
    assert "Model: the same bits." in answer(monkeypatch, capfd, job)[1]
    assert not (tmp_path / "shelf").exists()


def test_a_run_that_has_not_ended_is_refused(finished, monkeypatch, capfd, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text('{"status": "running"}')
    assert "is running; only a run that is done" in answer(monkeypatch, capfd, tmp_path / "run")[1]
    assert "which is no run folder" in answer(monkeypatch, capfd, tmp_path / "none")[1]
    (tmp_path / "run" / "manifest.json").write_text('{"status": "run')
    assert "whose manifest.json is damaged" in answer(monkeypatch, capfd, tmp_path / "run")[1]


def test_the_manifest_holds_exact_versions_and_no_secret(finished):
    text = (finished / "manifest.json").read_text()
    manifest = json.loads(text)
    assert {"torch", "numpy", "hydra-core", "pytorch-lightning"} <= manifest["versions"].keys()
    assert manifest["environment"]["OMP_NUM_THREADS"] == "1"
    assert "a-secret-key" not in text
    assert "WANDB_API_KEY" not in text
