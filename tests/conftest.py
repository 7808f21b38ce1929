"""What tests of the floors above pure torch share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
os.environ.setdefault("WANDB_MODE", "offline")

import hydra
import numpy as np
import pytest
import torch
from omegaconf import DictConfig

from mtlsr.data.images import write_image
from mtlsr.data.resize import bicubic_upscale
from mtlsr.networks.folder import save_model
from mtlsr.networks.table import build_pair
from mtlsr.runs.command import conf_folder
from mtlsr.runs.schema import register

torch.set_num_threads(1)

QUICK = ["schedule=quick", "trainer.progress=false", "trainer.threads=1", "trainer.log_every=2"]
"""A training of a few steps."""

Compose = Callable[..., DictConfig]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store of decoded photographs for all tests of a process."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def small_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four small images, one of which a run holds out."""
    return write_photographs(tmp_path_factory.mktemp("small_photographs"))


def write_photographs(folder: Path, height: int = 96, width: int = 120) -> Path:
    """Fill a folder with four images; heights and widths are multiples of 4."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in "abcd":
        coarse = rng.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
        write_image(folder / f"{name}.png", bicubic_upscale(coarse, 4))
    return folder


@pytest.fixture(scope="session")
def composer(cache: Path, small_photographs: Path) -> Compose:
    """Compose the real configuration of a command, as the command line would, for a tiny run."""

    def make(folder: Path, command: str, *overrides: str) -> DictConfig:
        return compose_tiny(command, folder, cache, small_photographs, *overrides)

    return make


def compose_tiny(
    command: str, folder: Path, cache: Path, photographs: Path, *overrides: str
) -> DictConfig:
    """The configuration of a tiny run in `folder`."""
    register()
    data = ["dataset=folder", f"dataset.root={photographs}", "dataset.holdout=1"]
    given = [*QUICK, *data, "logger=csv", f"folder={folder}", f"cache={cache}"]
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return hydra.compose(command, [*given, *overrides])


@pytest.fixture
def compose(tmp_path: Path, composer: Compose) -> Compose:
    """`compose("train", "scale=2", folder="a")` is a tiny run in `<tmp_path>/a`."""

    def make(command: str = "train", *overrides: str, folder: str = "run") -> DictConfig:
        return composer(tmp_path / folder, command, *overrides)

    return make


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder of a small untrained pair that enlarges by 2, as a run would hold it."""
    architecture: dict[str, Any] = {
        "realism": {"name": "residual", "first": 4, "widths": [8, 8], "units": [1, 1]},
        "restoration": {"name": "unet", "units": [1, 1]},
        "scale": 2,
        "vector_size": 5,
        "structure_channels": 2,
    }
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny") / "model"
    pair = build_pair(**architecture)
    with torch.no_grad():  # an untrained pair is bicubic but for rounding; this one is not
        pair.restoration.texture.weight.mul_(30)  # type: ignore[union-attr, operator]
        # What is told of a picture is not what stage 2 works with.
        pair.realism.reading.weight.normal_(std=0.02)  # type: ignore[union-attr]
        pair.realism.reading.bias.fill_(0.4)  # type: ignore[union-attr]
    save_model(folder, pair, architecture)
    return folder


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def command() -> Command:
    """`command("predict", folder, "model=...")` runs the real command there, in its own process.

    `prefix` is a program, with its options, that runs it.
    """
    repository = Path(__file__).resolve().parents[1]
    path = os.pathsep.join(filter(None, [str(repository), os.environ.get("PYTHONPATH")]))

    def call(
        name: str, cwd: Path, *arguments: str, prefix: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, sys.executable, "-m", f"mtlsr.{name}", *arguments],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
            timeout=300,
        )

    return call


def unprivileged() -> list[str]:
    """A `prefix` for `command` under which permissions count, for root, too."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root reads and writes through permissions, and nothing here can forbid it")
    dropped = "-dac_override,-dac_read_search"
    return [setpriv, "--inh-caps", dropped, "--bounding-set", dropped]
