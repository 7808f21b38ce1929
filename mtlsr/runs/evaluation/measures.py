"""The figures of one image, by name."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mtlsr.data.pairs import EvaluationPair
from mtlsr.errors import UserError
from mtlsr.metrics import psnr, ssim
from mtlsr.metrics.image_metrics import measure
from mtlsr.metrics.planes import Image, Space
from mtlsr.metrics.protocol import Protocol
from mtlsr.runs.schema import ConfigError


@dataclass(frozen=True)
class Measure:
    """A figure of one output: its function, and what a table and a mean must know of it."""

    name: str
    title: str
    digits: int
    higher_is_better: bool
    function: Callable[[Image, Image, Protocol, Space], float]
    space: Space
    unit: str = ""

    def __call__(self, sr: Image, hr: Image, lr: Image, protocol: Protocol) -> float:
        """Measure one output."""
        return self.function(sr, hr, protocol, self.space)

    def for_mean(self, value: float, protocol: Protocol) -> float:
        """A figure as it enters a mean: decibels at most `protocol.ceiling`, others as they are."""
        return min(value, protocol.ceiling) if self.unit == "dB" else value


MEASURES = {
    each.name: each
    for each in (
        Measure("psnr_y", "PSNR-Y", 2, True, psnr, "y", "dB"),
        Measure("ssim_y", "SSIM-Y", 4, True, ssim, "y"),
        Measure("psnr_rgb", "PSNR-RGB", 2, True, psnr, "rgb", "dB"),
        Measure("ssim_rgb", "SSIM-RGB", 4, True, ssim, "rgb"),
    )
}


def measures(names: Iterable[str]) -> dict[str, Measure]:
    """The measures of these names.

    Raises:
        UserError: An unknown name, or a measure whose package or backbone is missing.
    """
    found = {}
    for name in names:
        if name not in MEASURES:
            raise UserError(f"the measure {name!r} is unknown; known are {', '.join(MEASURES)}")
        found[name] = MEASURES[name]
    return found


STANDARD = tuple(MEASURES.values())


def find_measures(names: Iterable[str]) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """The measures of these names that can be used here, and a sentence for each of the others.

    Raises:
        UserError: An unknown name, one that is named twice, or none that can be used.
    """
    asked = list(names)
    if not asked or len(set(asked)) < len(asked):
        raise ConfigError(f"metrics is {asked}; each of {', '.join(MEASURES)} at most once.")
    found, missing = [], []
    for name in asked:
        try:
            found.append(measures([name])[name])
        except UserError as error:
            if name not in MEASURES:
                raise
            missing.append(f"{name} is not measured: {error}")
    if not found:
        raise ConfigError(f"metrics is {asked}, of which none can be measured. {missing[0]}")
    return tuple(found), tuple(missing)


def score(
    sr: Image, pair: EvaluationPair, protocol: Protocol, measures: Sequence[Measure]
) -> dict[str, float]:
    """The figures of one output, by name.

    Raises:
        ValueError: The image is too small for a measure, or does not fit the pair.
    """
    together: dict[str, float] = {}
    if set(STANDARD) <= set(measures):  # which are quicker together: they share their planes
        together = measure(sr, pair.hr, protocol).as_dict()
    return {
        each.name: together[each.name]
        if each.name in together
        else each(sr, pair.hr, pair.lr, protocol)
        for each in measures
    }
