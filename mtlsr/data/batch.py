"""Samples side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mtlsr.data.degradation import Draws, degrade_batch
from mtlsr.data.samples import Sample


@dataclass
class Batch:
    """N samples. Images travel as uint8 ``(N, H, W, 3)``, a quarter of the bytes of floats.

    ``floats()`` gives what networks take.
    """

    lr: Tensor
    """Degraded low resolution; where there are draws, clean until ``floats()``. Where no sample is
    degraded, it is ``lr_clean`` itself."""
    lr_clean: Tensor
    """Clean low resolution."""
    hr: Tensor | None
    """High resolution, None in stage 1."""
    degradation: Tensor
    """float32 ``(N, V)`` in [0, 1]: the strengths, in the order of the degradation's ``names``."""
    draws: Draws | None = None
    """What is still to be done to lr, if anything is."""

    def __len__(self) -> int:
        return len(self.lr)

    def floats(self) -> "Batch":
        """The same images as float32 ``(N, 3, H, W)`` in [0, 1], in channels_last memory format.

        Call it on the training device: the bytes that travel there are then the smaller ones, and a
        deferred degradation is done there.
        """
        batch = replace(self, draws=None)._map(_floats)
        if self.draws is not None:
            batch.lr = degrade_batch(batch.lr, self.draws)
        return batch

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The batch on another device."""
        return self._map(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The batch in page-locked memory, from which a GPU can fetch while it computes."""
        return self._map(lambda x: x.pin_memory())

    def _map(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        clean = function(self.lr_clean)
        return Batch(
            lr=clean if self.lr is self.lr_clean else function(self.lr),
            lr_clean=clean,
            hr=None if self.hr is None else function(self.hr),
            degradation=function(self.degradation),
            draws=None if self.draws is None else self.draws.map(function),
        )


def _floats(x: Tensor) -> Tensor:
    return x if x.is_floating_point() else x.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def collate(samples: Sequence[Sample]) -> Batch:
    """Stack samples of equal size; all of them have ``hr`` (and ``draws``), or none has."""
    high = [sample.hr for sample in samples if sample.hr is not None]
    draws = [sample.draws for sample in samples if sample.draws is not None]
    for name, found in (("hr", high), ("draws", draws)):
        if len(found) not in (0, len(samples)):
            raise ValueError(f"Only {len(found)} of {len(samples)} samples of a batch have {name}.")
    clean = _stack([sample.lr_clean for sample in samples])
    untouched = all(sample.lr is sample.lr_clean for sample in samples)
    return Batch(
        lr=clean if untouched else _stack([sample.lr for sample in samples]),
        lr_clean=clean,
        hr=_stack(high) if high else None,
        degradation=_stack([sample.degradation for sample in samples]),
        draws=Draws.joined(draws) if draws else None,
    )


def _stack(arrays: Sequence[np.ndarray]) -> Tensor:
    stacked = np.empty((len(arrays), *arrays[0].shape), arrays[0].dtype)
    for place, array in zip(stacked, arrays, strict=True):  # half of np.stack's time
        place[...] = array
    return torch.from_numpy(stacked)
