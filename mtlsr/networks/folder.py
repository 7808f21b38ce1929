"""A model on disk: `config.json` (plain values) beside `model.safetensors` (weights).

Nothing in the folder is executed: the configuration can only name networks of the table.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from mtlsr.errors import UserError
from mtlsr.networks.base import SRNetwork
from mtlsr.networks.bundled import CONFIG, bundled
from mtlsr.networks.table import build_network

FORMAT = 1
WEIGHTS = "model.safetensors"


LONGEST = 1 << 20
"""Bytes of a configuration, at the most."""
LARGEST = 4096
"""Largest number in a configuration: of channels, units, anything."""


class ModelError(UserError):
    """A model folder that cannot be used, and why."""


def model_folder(path: str | Path) -> Path:
    """The model folder that is meant by a run folder, `<run>/model`, by a model folder itself, or
    by the name of a model that comes with this package. A folder that holds one comes first.

    Raises:
        ModelError: There is no model in either place.
    """
    folder = Path(path)
    for candidate in (folder, folder / "model"):
        if (candidate / CONFIG).is_file():
            return candidate
    named = bundled()
    if str(path) in named:
        return named[str(path)]
    if not folder.exists():
        names = "".join(f", {name}" for name in named)
        raise ModelError(f"{str(folder)!r} does not exist; a run or model folder{names} is needed.")
    raise ModelError(
        f"{str(folder)!r} holds no model: neither {CONFIG} nor model/{CONFIG} is in it. "
        "A run has its model when stage 2 has ended."
    )


def save_model(folder: Path, model: nn.Module, architecture: dict[str, Any]) -> None:
    """Write `model` to `folder`, each file complete or not at all.

    Args:
        folder: Created when missing.
        model: A `SRNetwork` in training form.
        architecture: The arguments of `build_network`, plain values only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().contiguous() for name, value in model.state_dict().items()}
    # A run that was killed here and goes on takes away what is called so.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".", suffix=".tmp") as scratch:
        config = Path(scratch, CONFIG)
        config.write_text(json.dumps({"format": FORMAT, **architecture}, indent=2) + "\n")
        save_file(weights, Path(scratch, WEIGHTS))
        Path(scratch, WEIGHTS).chmod(config.stat().st_mode)  # it is hidden from other users
        os.replace(Path(scratch, WEIGHTS), folder / WEIGHTS)
        os.replace(config, folder / CONFIG)


def load_model(folder: Path) -> tuple[SRNetwork, dict[str, Any]]:
    """Read the model in `folder`: the network with its weights, and its architecture.

    Raises:
        ModelError: The folder is missing, incomplete, damaged or of another format.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ModelError(f"{str(folder)!r} is no model folder: it has no {name}.")
    if (folder / CONFIG).stat().st_size > LONGEST:
        raise ModelError(f"{str(folder / CONFIG)!r} is no configuration: it is too long.")
    try:
        architecture = json.loads((folder / CONFIG).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(f"{str(folder / CONFIG)!r} is not JSON: {error}.") from error
    if not isinstance(architecture, dict) or architecture.pop("format", None) != FORMAT:
        raise ModelError(f"{str(folder / CONFIG)!r} is not a model of format {FORMAT}.")
    try:
        _check_size(architecture)
        with torch.device("meta"):  # its size, before anything of it is there
            asked = sum(
                value.nbytes for value in build_network(**architecture).state_dict().values()
            )
        held = (folder / WEIGHTS).stat().st_size
        if asked > 2 * held:
            raise ValueError(
                f"its {CONFIG} asks for {asked} bytes of weights, {WEIGHTS} has {held}"
            )
        model = build_network(**architecture)
        model.load_state_dict(load_file(folder / WEIGHTS))
    except (TypeError, ValueError, RuntimeError, SafetensorError) as error:
        # torch's first line says only that it failed, the second which weight it was.
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise ModelError(f"{str(folder)!r} cannot be loaded: {reason}") from error
    return model, architecture


def _check_size(value: Any) -> None:
    """Refuse numbers that no network of the table has (ValueError): they would fill the memory."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_size(item)
    elif isinstance(value, int | float) and not abs(value) <= LARGEST:
        raise ValueError(f"its {CONFIG} holds the number {value}; {LARGEST} is the most")
