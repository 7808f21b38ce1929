"""Photographs, and how they are degraded."""

from dataclasses import dataclass, field
from typing import Optional

from omegaconf import MISSING

from mtlsr.runs.fields.values import number


@dataclass
class PartConfig:
    """One data set of a mixture."""

    name: str = MISSING
    """A data set of mtlsr/data/datasets.py."""
    root: str | None = None
    """Folder where its files are; null = where `python -m mtlsr.prepare` puts them."""
    val_root: str | None = None
    """Folder of validation images, where the data set has none; null holds some of `root` out."""
    holdout: int = number(0, default=0)
    """Images that are held out, where there are no validation images otherwise."""
    fraction: float = number(0, 1, above=True, default=1.0)
    """Share of the training images that is used; a smaller share lies inside every larger one."""
    fraction_seed: int = number(0, default=0)
    """Another seed makes another share."""
    weight: float = number(0, above=True, default=1.0)
    """Over the sum of all weights: the probability that a sample comes from here."""


@dataclass
class DatasetConfig:
    name: str = MISSING
    """A data set of mtlsr/data/datasets.py, or mixture."""
    root: str | None = None
    """Folder where its files are; null = where `python -m mtlsr.prepare` puts them."""
    val_root: str | None = None
    """Folder of validation images, where the data set has none; null holds some of `root` out."""
    holdout: int = number(0)
    """Images that are held out, where there are no validation images otherwise."""
    balance: float = number(0, 1)
    """1: every crop of every photograph is equally likely; 0: every photograph is."""
    fraction: float = number(0, 1, above=True, default=1.0)
    """Share of the training images that is used; a smaller share lies inside every larger one."""
    fraction_seed: int = number(0, default=0)
    """Another seed makes another share; the run's own does not, so that runs stay comparable."""
    shrunk: list[float] = field(default_factory=list)
    """Shares of their size, above 0 and below 1, at which the photographs are learned from, too."""
    unusable: str = "refuse"
    """What becomes of files that cannot be used (animated, smaller than a patch, damaged): refuse
    starts nothing, skip leaves them out and says so."""
    parts: list[PartConfig] = field(default_factory=list)
    """Of a mixture: the data sets, each with its weight."""


@dataclass
class RealismDatasetConfig(DatasetConfig):
    """Photographs for stage 1, which needs low resolution alone. `name` may be same: stage 2's."""

    downscale: bool = MISSING
    """Whether they are shrunk by the scale first; false: they are low-resolution images already."""


@dataclass
class TrainDatasetConfig(DatasetConfig):
    """Stage 2's photographs, and under `realism` stage 1's."""

    realism: RealismDatasetConfig = MISSING


@dataclass
class GeneratorConfig:
    """A degradation. What its values mean stands in mtlsr/data/degradation."""

    name: str = MISSING
    """Its kind: classical or realistic."""
    clean_probability: float = number(0, 1)
    realism: Optional["GeneratorConfig"] = None
    """Beside stage 2's degradation: stage 1's generator, which has none beside it."""


@dataclass
class ClassicalConfig(GeneratorConfig):
    """The ranges of mtlsr/data/degradation/classical.py."""

    blur: list[float] = MISSING
    anisotropy: list[float] = MISSING
    noise: list[float] = MISSING
    jpeg: list[float] = MISSING
    resampling: list[float] = MISSING
    kernels: list[str] = MISSING
    blur_probability: float = number(0, 1)
    anisotropy_probability: float = number(0, 1)
    noise_probability: float = number(0, 1)
    jpeg_probability: float = number(0, 1)
    resampling_probability: float = number(0, 1)


@dataclass
class PassConfig:
    """One of two passes of mtlsr/data/degradation/realistic.py."""

    blur: list[float] = MISSING
    anisotropy: list[float] = MISSING
    shrinking: list[float] = MISSING
    enlarging: list[float] = MISSING
    noise: list[float] = MISSING
    poisson: list[float] = MISSING
    jpeg: list[float] = MISSING
    webp: list[float] = MISSING
    blur_probability: float = number(0, 1)
    anisotropy_probability: float = number(0, 1)
    shrinking_probability: float = number(0, 1)
    enlarging_probability: float = number(0, 1)
    noise_probability: float = number(0, 1)
    poisson_probability: float = number(0, 1)
    grey_probability: float = number(0, 1)
    jpeg_probability: float = number(0, 1)
    webp_probability: float = number(0, 1)


@dataclass
class RealisticConfig(GeneratorConfig):
    """The ranges of mtlsr/data/degradation/realistic.py."""

    first: PassConfig = MISSING
    second: PassConfig = MISSING
    ringing: list[float] = MISSING
    ringing_probability: float = number(0, 1)
    kernels: list[str] = MISSING
    shuffle_probability: float = number(0, 1)


DEGRADATIONS: dict[str, type] = {"classical": ClassicalConfig, "realistic": RealisticConfig}
