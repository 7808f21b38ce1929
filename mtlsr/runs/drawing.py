"""Plots as files, where matplotlib is installed."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def save(figure: "Figure", path: Path) -> None:
    """Write a plot as PNG, completely or not at all."""
    unfinished = path.with_name(f".{path.name}.tmp")
    try:
        figure.savefig(unfinished, format="png", dpi=150)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
