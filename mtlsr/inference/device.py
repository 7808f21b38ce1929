"""Where a network computes and in which numbers: asked for by name, or found by a fixed rule."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mtlsr.errors import UserError
from mtlsr.networks.base import SRNetwork
from mtlsr.networks.folding import folded

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def find_device(name: str) -> torch.device:
    """The device that a user names.

    Args:
        name: `auto`, a GPU where torch sees one and else the CPU; or torch's own word: cpu, cuda,
            cuda:1, mps ...

    Raises:
        UserError: Torch does not know the device, or this machine has none.
    """
    gpus = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda" if gpus else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()  # the name alone says nothing about the machine
    except (RuntimeError, AssertionError) as error:
        known = ["auto", "cpu", *(f"cuda:{index}" for index in range(gpus))]
        raise UserError(
            f"device is {name!r}, which this machine does not have; choose from {', '.join(known)}."
        ) from error
    return device


def find_precision(name: str, device: torch.device) -> torch.dtype:
    """The numbers that a network computes in.

    Args:
        name: float32, bfloat16, or `auto`: bfloat16 on a GPU that computes in it, else float32.
        device: Where it computes.

    Raises:
        UserError: Another name.
    """
    if name == "auto":
        native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float32
    if name not in PRECISIONS:
        raise UserError(f"precision is {name!r}; it is one of auto, {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]


def ready(network: SRNetwork, device: torch.device) -> SRNetwork:
    """The form of a network that enlarges, where it does, for evaluation.

    Batch normalisation is folded into the convolutions. The memory format is always the same: the
    last bits follow it.
    """
    form = folded(network.deployed())
    return form.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


@contextmanager
def computing(device: torch.device, precision: torch.dtype) -> Iterator[None]:
    """Compute without gradients, the same every time; float32 is float32, never TF32."""
    reduced = precision != torch.float32
    exact = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with torch.no_grad(), exact, torch.autocast(device.type, precision, enabled=reduced):
        yield
