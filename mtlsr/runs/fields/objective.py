"""Networks, terms and their balancing."""

from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from mtlsr.runs.fields.values import number


@dataclass
class BackboneConfig:
    """Networks by name, with options of their own."""

    realism: dict[str, Any] = MISSING
    """Stage 1: `name` in mtlsr/networks/table.py and that network's options."""
    restoration: dict[str, Any] = MISSING
    """Stage 2, likewise."""
    single_task: dict[str, Any] | None = None
    """A network of one task in place of both, likewise; null = none."""


@dataclass
class SmoothnessConfig:
    distance: str = MISSING
    """mse, l1 or charbonnier."""
    output: float = number(0)
    """Inner weight of the high-resolution image against the output."""
    luma: float = number(0, default=0.0)
    """Inner weight of its brightness Y against the output's."""
    reconstruction: float = number(0)
    """Inner weight of the clean low-resolution image against its reconstruction."""
    consistency: float = number(0)
    """Inner weight of the clean low-resolution image against the output brought back to it."""


@dataclass
class RealismConfig:
    detection: float = number(0)
    """Inner weight, in stage 1, of the decision between clean and degraded."""
    statistic: str = MISSING
    """gram, mean_std or centred."""
    start: float = number(0, 1, default=0.0)
    """Share of stage 2's steps before its term joins."""
    average: float = number(0, 1)
    """Decay of the statistics' moving average, below 1; 0 = no average."""
    window: int = number(0)
    """Side of the judged window in pixels of the high-resolution patch; 0 = all of it."""


@dataclass
class StructureConfig:
    transform: str = MISSING
    """gradient, corners or identity."""
    map: float = number(0)
    """Inner weight of the predicted structure map."""


@dataclass
class AdversarialConfig:
    """Stage 2's optional game against a discriminator."""

    weight: float = number(0)
    """Of the generator's loss; 0 = there is no discriminator."""
    kind: str = MISSING
    """relativistic, hinge or lsgan."""
    warmup: float = number(0, 1)
    """Share of the steps in which the discriminator learns and the generator does not hear it."""
    lr: float = number(0, above=True)
    """Highest learning rate of the discriminator; it follows the schedule of stage 2."""
    discriminator: dict[str, Any] = MISSING
    """`name` in mtlsr/networks/table.py and that network's options."""


@dataclass
class StageOneLossConfig:
    lambda1: float = number(0)
    lambda2: float = number(0)
    lambda3: float = number(0)


@dataclass
class LossConfig:
    """λ1 smoothness + λ2 realism and style + λ3 structure + λ4 anchor, of stage 2."""

    lambda1: float = number(0)
    lambda2: float = number(0)
    lambda3: float = number(0)
    lambda4: float = number(0)
    smoothness: SmoothnessConfig = MISSING
    realism: RealismConfig = MISSING
    structure: StructureConfig = MISSING
    adversarial: AdversarialConfig = MISSING
    stage1: StageOneLossConfig = MISSING
    """Weights of stage 1, which do not follow those of stage 2: a sweep over λ shares stage 1."""


@dataclass
class BalancingConfig:
    """How much each term counts. What the values of a method mean stands in its docstring, in
    mtlsr/objective/balancing."""

    name: str = MISSING
    """fixed, or a method of mtlsr/objective/balancing/table.py."""
    stages: list[str] = MISSING
    """Stages whose terms are balanced."""
    diagnose_every: int = number(0)
    """Steps between two looks at the terms' gradients, which are logged; 0 = none."""


@dataclass
class WeighingConfig(BalancingConfig):
    """geometric, random; and what every method but fixed has."""

    normalize: str = "sum_to_k"
    """sum_to_k or none."""


@dataclass
class UncertaintyConfig(WeighingConfig):
    lr: float = number(0, above=True)


@dataclass
class DwaConfig(WeighingConfig):
    temperature: float = number(0, above=True)
    interval: int = number(1)


@dataclass
class FamoConfig(WeighingConfig):
    lr: float = number(0, above=True)
    weight_decay: float = number(0)


@dataclass
class StchConfig(WeighingConfig):
    mu: float = number(0, above=True)


@dataclass
class GradNormConfig(WeighingConfig):
    alpha: float = number(0)
    lr: float = number(0, above=True)


@dataclass
class GramianConfig(WeighingConfig):
    """pcgrad, mgda, imtl_g, upgrad, dualproj; and what every Gramian method has."""

    form: str = "exact"
    """exact or cheap."""


@dataclass
class GradVacConfig(GramianConfig):
    beta: float = number(0, 1)


@dataclass
class AlignedMtlConfig(GramianConfig):
    scale: str = MISSING
    """min, median or rmse."""


@dataclass
class CAGradConfig(GramianConfig):
    c: float = number(0)


@dataclass
class NashMtlConfig(GramianConfig):
    iterations: int = number(1)


@dataclass
class FairGradConfig(GramianConfig):
    alpha: float = number(0, above=True)


BALANCING: dict[str, type] = {
    "weighing": WeighingConfig,
    "uncertainty": UncertaintyConfig,
    "dwa": DwaConfig,
    "famo": FamoConfig,
    "stch": StchConfig,
    "gradnorm": GradNormConfig,
    "gramian": GramianConfig,
    "gradvac": GradVacConfig,
    "aligned_mtl": AlignedMtlConfig,
    "cagrad": CAGradConfig,
    "nash_mtl": NashMtlConfig,
    "fairgrad": FairGradConfig,
}
