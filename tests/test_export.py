"""python -m mtlsr.export, as a user calls it."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from mtlsr import Upscaler, export
from tests.conftest import Command


def test_a_model_folder_is_written_for_others(command: Command, tmp_path: Path, tiny_model: Path):
    done = command(
        "export", tmp_path, f"model={tiny_model.parent}", "output=a, b=c", "format=safetensors"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "a, b=c holds config.json and model.safetensors.\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a, b=c"}
    assert Upscaler.from_pretrained(tmp_path / "a, b=c").scale == 2


@pytest.mark.slow
def test_an_onnx_file_is_written_and_said(command: Command, tmp_path: Path, tiny_model: Path):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    done = command("export", tmp_path, f"model={tiny_model}", "output=out/été(1).onnx")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("out/été(1).onnx (0.")
    assert len(done.stdout.splitlines()) == 1
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")] == ["out/été(1).onnx"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["output=net.pth"], "output is 'net.pth'; the name of a file, .onnx, is needed."),
        (["output=net.onnx", "format=caffe"], "format is 'caffe'; it is one of onnx, safetensors."),
        (["output=net.onnx", "model=nowhere"], "'nowhere' does not exist"),
        (["output=file", "format=safetensors"], "output is 'file', which is a file; a folder is"),
    ],
)
def test_what_cannot_be_written_is_refused(
    command: Command, tmp_path: Path, tiny_model: Path, given: list[str], said: str
):
    (tmp_path / "file").touch()
    model = [] if any(each.startswith("model=") for each in given) else [f"model={tiny_model}"]
    done = command("export", tmp_path, *model, *given)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_suffixes_are_blind_to_case(tiny_model: Path) -> None:
    export.check(OmegaConf.create({"model": str(tiny_model), "output": "a.ONNX", "format": "onnx"}))
