"""What a figure of per_image.csv means."""

from collections.abc import Sequence
from dataclasses import dataclass

from mtlsr.metrics.protocol import Protocol
from mtlsr.runs.schema import ConfigError


@dataclass(frozen=True)
class Measure:
    """How a figure is shown, and which of two is better."""

    name: str
    """In results.json and per_image.csv."""
    title: str
    digits: int
    """After the decimal point, where it is shown."""
    higher_is_better: bool
    unit: str = ""


MEASURES = {
    each.name: each
    for each in (
        Measure("psnr_y", "PSNR-Y", 2, True, "dB"),
        Measure("ssim_y", "SSIM-Y", 4, True),
        Measure("psnr_rgb", "PSNR-RGB", 2, True, "dB"),
        Measure("ssim_rgb", "SSIM-RGB", 4, True),
    )
}


def find_measures(names: Sequence[str]) -> list[Measure]:
    """The measures of these names.

    Raises:
        ConfigError: An unknown one, or none.
    """
    for name in names:
        if name not in MEASURES:
            raise ConfigError(f"metrics holds {name!r}; they are {', '.join(MEASURES)}.")
    if not names:
        raise ConfigError(f"metrics is empty; they are {', '.join(MEASURES)}.")
    return [MEASURES[name] for name in dict.fromkeys(names)]


def for_mean(measure: Measure, figure: float) -> float:
    """A figure as it enters a mean: decibels at most the protocol's ceiling."""
    return min(figure, Protocol.ceiling) if measure.unit == "dB" else figure
