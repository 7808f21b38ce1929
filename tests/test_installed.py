"""The wheel in an environment of its own, outside the checkout and without a network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr import Upscaler
from mtlsr.data.images import read_image

ROOT = Path(__file__).parents[1]


def run(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, words)], capture_output=True, text=True, **options)


def wheel_of(source: Path, folder: Path) -> Path:
    """Build the wheel of a checkout."""
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    run(*build, "-w", folder, source, check=True)
    (wheel,) = folder.glob("mtlsr-*.whl")
    return wheel


def checkout(folder: Path) -> Path:
    """A copy of what belongs to this repository."""
    names = run("git", "ls-files", "-z", cwd=ROOT, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.mark.slow
def test_predict_of_the_installed_wheel_works_without_a_network(
    tmp_path: Path, tiny_model: Path
) -> None:
    source = checkout(tmp_path / "source")
    shutil.copytree(tiny_model, source / "mtlsr/weights/x2", dirs_exist_ok=True)
    wheel = wheel_of(source, tmp_path)
    python = tmp_path / "environment/bin/python"
    run(sys.executable, "-m", "venv", tmp_path / "environment", check=True)
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    done = run(*install, "-c", ROOT / "constraints.txt", wheel)
    if "No matching distribution" in done.stderr or "Connection" in done.stderr:
        pytest.skip(f"there is no package index: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(elsewhere / "photo.jpg", quality=95)
    closed = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = run(
        python.with_name("mtlsr-predict"),
        "input=photo.jpg",
        "scale=2",
        cwd=elsewhere,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **closed},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "photo.jpg -> enlarged/photo.png" in done.stdout
    expected = Upscaler.from_pretrained(tiny_model)(read_image(elsewhere / "photo.jpg"))
    np.testing.assert_array_equal(read_image(elsewhere / "enlarged/photo.png"), expected)
    for command in python.parent.glob("mtlsr-*"):
        assert run(command, "--help", cwd=elsewhere).returncode == 0
