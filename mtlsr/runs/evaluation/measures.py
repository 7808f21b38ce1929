"""The figures of one image, by name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtlsr.data.pairs import EvaluationPair
from mtlsr.metrics.image_metrics import measure
from mtlsr.metrics.protocol import Protocol
from mtlsr.runs.schema import ConfigError


@dataclass(frozen=True)
class Measure:
    """How a figure is shown and ranked."""

    name: str
    title: str
    digits: int
    higher_is_better: bool = True
    decibels: bool = False
    """Infinite for identical images; the mean takes the protocol's ceiling then."""


MEASURES = {
    each.name: each
    for each in (
        Measure("psnr_y", "PSNR-Y", 2, decibels=True),
        Measure("ssim_y", "SSIM-Y", 4),
        Measure("psnr_rgb", "PSNR-RGB", 2, decibels=True),
        Measure("ssim_rgb", "SSIM-RGB", 4),
    )
}
STANDARD = tuple(MEASURES.values())


def find_measures(names: Iterable[str]) -> tuple[Measure, ...]:
    """The measures of these names.

    Raises:
        ConfigError: None, an unknown one, or one that is named twice.
    """
    asked = list(names)
    for name in asked:
        if name not in MEASURES:
            raise ConfigError(f"metrics holds {name!r}; they are {', '.join(MEASURES)}.")
    if not asked or len(set(asked)) < len(asked):
        raise ConfigError(f"metrics is {asked}; each of {', '.join(MEASURES)} at most once.")
    return tuple(MEASURES[name] for name in asked)


def score(
    sr: NDArray[np.uint8], pair: EvaluationPair, protocol: Protocol, measures: Sequence[Measure]
) -> dict[str, float]:
    """The figures of one output, by name."""
    figures = measure(sr, pair.hr, protocol).as_dict()
    return {each.name: figures[each.name] for each in measures}
