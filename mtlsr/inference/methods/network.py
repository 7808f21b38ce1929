"""Networks as methods: a run or model folder of ours, or any other function of a tensor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from mtlsr.data.pairs import EvaluationPair
from mtlsr.errors import UserError
from mtlsr.inference.device import computing, ready
from mtlsr.inference.ensemble import self_ensemble
from mtlsr.inference.methods.base import Method, UInt8
from mtlsr.inference.upscale import to_network, to_uint8
from mtlsr.networks.base import Resolver

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


class Network(Method):
    """A function that enlarges, on equal sizes at a time.

    Args:
        enlarge: The function; its tensors lie on `settings.device`.
        scale: How many times larger its output is.
        settings: Device, precision, self-ensemble, tiles.
        module: Network behind the function, where there is one that can be looked into.
    """

    scale: int

    def __init__(
        self, enlarge: Enlarge, scale: int, settings: Settings, module: nn.Module | None = None
    ) -> None:
        self.enlarge = enlarge
        self.scale = scale
        self.settings = settings
        self.module = module
        self.precision = str(settings.precision).removeprefix("torch.")

    def __call__(self, pairs: Sequence[EvaluationPair]) -> list[UInt8]:
        device = self.settings.device
        with computing(device, self.settings.precision):
            given = torch.cat([to_network(pair.lr, device) for pair in pairs])
            enlarged = self._enlarge(given)
        return [to_uint8(image[None]).numpy(force=True) for image in enlarged]

    def _enlarge(self, lr: Tensor) -> Tensor:
        if self.settings.tile is not None:
            raise UserError("tile is not there yet.")
        enlarge = self_ensemble(self.enlarge) if self.settings.self_ensemble else self.enlarge
        return enlarge(lr)


def resolver(network: Resolver, settings: Settings) -> Network:
    """A network of this project as a method."""
    form = ready(network, settings.device)
    return Network(lambda lr: form(lr)[1].sr, network.scale, settings, form)
