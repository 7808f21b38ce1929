"""Plots as files, where matplotlib is installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mtlsr.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def save(figure: "Figure", path: Path) -> None:
    """Write a plot as PNG, completely or not at all."""
    with replacing(path, binary=True) as file:
        figure.savefig(file, format="png", dpi=150)
