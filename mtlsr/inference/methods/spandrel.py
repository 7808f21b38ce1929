"""Checkpoints of other projects as methods, by spandrel (https://github.com/chaiNNer-org/spandrel)."""

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from mtlsr.errors import UserError
from mtlsr.inference.methods.network import NetworkMethod, Settings, foreign_network


def spandrel_network(path: str | Path, settings: Settings) -> NetworkMethod:
    """A checkpoint whose architecture spandrel finds out by itself.

    Args:
        path: `.safetensors`, or a file of torch.save that holds tensors and plain values alone:
            nothing in it is executed.
        settings: See `Settings`.

    Raises:
        UserError: spandrel is missing, the file is no such checkpoint, or its network does not
            enlarge RGB images; or tiles are wanted.
    """
    path = Path(path)
    spandrel = _imported(path)
    weights = _weights(path)
    try:
        found = spandrel.MAIN_REGISTRY.load(weights)
    except spandrel.UnsupportedModelError as error:
        raise UserError(f"spandrel:{path} is of no architecture that spandrel knows.") from error
    except Exception as error:  # an architecture stumbles over weights that only look like its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"spandrel:{path} cannot be loaded by spandrel: {reason}") from error
    if not isinstance(found, spandrel.ImageModelDescriptor) or found.scale < 2:
        raise UserError(
            f"spandrel:{path} is a network of {found.architecture.name} that does not enlarge."
        )
    if (found.input_channels, found.output_channels) != (3, 3):
        raise UserError(
            f"spandrel:{path} takes {found.input_channels} and gives {found.output_channels} "
            "channels; 3 are needed."
        )
    if settings.precision == torch.bfloat16 and not found.supports_bfloat16:
        raise UserError(
            f"spandrel:{path} is of {found.architecture.name}, which does not compute "
            "in bfloat16; precision=float32 does."
        )
    found.to(settings.device).eval()

    # Some architectures reshape their input, which needs its usual order in memory.
    def enlarge(lr: Tensor) -> Tensor:
        return found(lr.contiguous())

    return foreign_network(f"spandrel:{path}", enlarge, found.scale, settings, found.model)


def _imported(path: Path) -> Any:
    if find_spec("spandrel") is None:
        raise UserError(
            f"model=spandrel:{path} needs the package spandrel: pip install 'mtlsr[spandrel]'."
        )
    try:
        import spandrel
    except Exception as error:  # a torchvision of another torch raises RuntimeError
        reason = str(error).splitlines()[0]
        raise UserError(
            f"spandrel cannot be imported ({reason}); it needs the torchvision of this torch, "
            f"{torch.__version__}."
        ) from error
    return spandrel


def _weights(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f"spandrel:{path} does not exist; a checkpoint file is needed.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, TypeError, ValueError):
        raise UserError(
            f"spandrel:{path} cannot be read: it is damaged, or holds more than tensors and plain "
            "values."
        ) from None
