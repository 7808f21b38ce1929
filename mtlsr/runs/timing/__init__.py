"""How fast training and networks are, each figure beside its limit measured in the same run.

A part is a function of a configuration that returns figures by name. Repeats are interleaved, so
that a machine that slows down slows down both sides of a ratio, and the median counts.
"""

from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig
from rich.table import Table

from mtlsr.runs.timing.adversarial import adversarial
from mtlsr.runs.timing.balancing import balancing
from mtlsr.runs.timing.common import Figure as Figure
from mtlsr.runs.timing.common import stage_of as stage_of
from mtlsr.runs.timing.evaluation import evaluation
from mtlsr.runs.timing.files import files
from mtlsr.runs.timing.growth import growth
from mtlsr.runs.timing.inference import inference
from mtlsr.runs.timing.jobs import jobs
from mtlsr.runs.timing.loader import loader
from mtlsr.runs.timing.memory import memory
from mtlsr.runs.timing.networks import networks
from mtlsr.runs.timing.networks import table as networks_table
from mtlsr.runs.timing.objective import objective
from mtlsr.runs.timing.precision import precision
from mtlsr.runs.timing.startup import startup
from mtlsr.runs.timing.step import step

PARTS: dict[str, Callable[[DictConfig, Path], dict[str, Figure]]] = {
    "step": step,
    "objective": objective,
    "loader": loader,
    "networks": networks,
    "inference": inference,
    "startup": startup,
    "jobs": jobs,
    "precision": precision,
    "files": files,
    "balancing": balancing,
    "adversarial": adversarial,
    "memory": memory,
    "evaluation": evaluation,
    "growth": growth,
}
ON_DEMAND = (
    "jobs", "precision", "files", "balancing", "adversarial", "memory", "evaluation", "growth",
)  # fmt: skip
"""Parts that `part=all` leaves out: they take long, or are not about training."""


def tables(figures: dict[str, dict[str, Figure]]) -> list[Table]:
    """The figures of all parts for the terminal."""
    shown = Table("part", "name", "value", "limit", "unit", "ratio")
    for part, found in figures.items():
        for name, figure in found.items() if part != "networks" else ():
            numbers = f"{figure.value:.2f}", f"{figure.limit:.2f}", figure.unit
            shown.add_row(part, name, *numbers, f"{figure.ratio:.3f}")
    of_networks = [networks_table(figures["networks"])] if "networks" in figures else []
    return ([shown] if shown.rows else []) + of_networks
