"""Networks as methods: a run or model folder of ours, or any other function of a tensor."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from mtlsr.data.pairs import EvaluationPair
from mtlsr.errors import UserError
from mtlsr.inference.conversion import to_network, to_uint8
from mtlsr.inference.device import computing
from mtlsr.inference.enlarger import Enlarger
from mtlsr.inference.ensemble import self_ensemble
from mtlsr.inference.methods.base import Method, UInt8
from mtlsr.networks.base import SRNetwork

Enlarge = Callable[[Tensor], Tensor]
"""Float (N, 3, h, w) in [0, 1] -> (N, 3, s·h, s·w)."""


@dataclass(frozen=True)
class Settings:
    """How networks compute."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: torch.dtype = torch.float32
    self_ensemble: bool = False
    """Whether the mean over the eight turns and mirrorings of an image is taken."""
    tile: int | str | None = None
    """Side of the tiles that an image is cut into, in low-resolution pixels; auto, or None."""


class NetworkMethod(Method):
    """A function that enlarges, on equal sizes at a time.

    Args:
        enlarge: The function; its tensors lie on `settings.device`.
        scale: How many times larger its output is.
        settings: Device and precision.
        module: Network behind the function, where there is one that can be looked into.
    """

    scale: int
    _turn: AbstractContextManager[Any]

    def __init__(
        self, enlarge: Enlarge, scale: int, settings: Settings, module: nn.Module | None = None
    ) -> None:
        self.enlarge = enlarge
        self.scale = scale
        self.settings = settings
        self.module = module
        self.precision = str(settings.precision).removeprefix("torch.")
        # A GPU has memory for one batch at a time, and how it computes is set for all threads.
        self._turn = nullcontext() if settings.device.type == "cpu" else Lock()

    def __call__(self, pairs: Sequence[EvaluationPair]) -> list[UInt8]:
        device = self.settings.device
        with self._turn, computing(device, self.settings.precision):
            enlarged = self.enlarge(torch.cat([to_network(pair.lr, device) for pair in pairs]))
        return [to_uint8(image[None]).numpy(force=True) for image in enlarged]


def own_network(network: SRNetwork, settings: Settings) -> NetworkMethod:
    """A network of this project as a method.

    Raises:
        UserError: `tile` is no side of tiles, or the network cannot be cut into them.
    """
    enlarger = Enlarger(
        network, settings.device, settings.precision, settings.tile, settings.self_ensemble
    )
    return NetworkMethod(enlarger, network.scale, settings, enlarger.network)


def foreign_network(
    name: str, enlarge: Enlarge, scale: int, settings: Settings, module: nn.Module | None = None
) -> NetworkMethod:
    """A function of another project as a method: nothing is known but what goes in and comes out.

    Raises:
        UserError: Tiles are wanted, and it is not known how far it sees.
    """
    if settings.tile is not None:
        raise UserError(
            f"tile is {settings.tile!r}, but how far {name} sees around a pixel is not known: cut "
            "into tiles, its image would show where. tile=null enlarges it as a whole."
        )
    chosen = self_ensemble(enlarge) if settings.self_ensemble else enlarge
    return NetworkMethod(chosen, scale, settings, module)
