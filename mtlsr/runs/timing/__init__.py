"""How fast training is, each figure beside its limit measured in the same run.

A part is a function of a configuration that returns figures by name. Repeats are interleaved, so
that a machine that slows down slows down both sides of a ratio, and the median counts.
"""

from collections.abc import Callable
from pathlib import Path

from omegaconf import DictConfig

from mtlsr.runs.timing.balancing import balancing
from mtlsr.runs.timing.common import Figure as Figure
from mtlsr.runs.timing.common import stage_of as stage_of
from mtlsr.runs.timing.loader import loader
from mtlsr.runs.timing.memory import memory
from mtlsr.runs.timing.objective import objective
from mtlsr.runs.timing.step import step

PARTS: dict[str, Callable[[DictConfig, Path], dict[str, Figure]]] = {
    "step": step,
    "objective": objective,
    "loader": loader,
    "balancing": balancing,
    "memory": memory,
}
ON_DEMAND = ("balancing", "memory")
"""Parts that `part=all` leaves out: they take long."""
