"""How the figures of a report look: colours, text, axes, heights."""

from collections.abc import Collection, Sequence

import plotly.graph_objects as go

from mtlsr.metrics.table import Measure
from mtlsr.sweeps.variants import Variant

COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b59f00", "#7f7f7f",
)  # fmt: skip
"""Told apart by the colour-blind, on white and on black (after Okabe and Ito, 2008)."""

ROW = 36
"""Height of a line of a figure with a line for each variant, in pixels; two lines of text fit."""

LINE = 16
"""Height of a further line of text, in pixels."""

LEGEND = {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0}
AXIS = {
    "automargin": True,
    "title": {"font": {"size": 12}},
    "exponentformat": "power",  # not 500µ
    "minexponent": 5,
}


def colours(found: Sequence[Variant]) -> dict[str, str]:
    """The same colour for a variant in every figure."""
    return {each.name: COLOURS[i % len(COLOURS)] for i, each in enumerate(found)}


def in_lines(label: str) -> str:
    """A variant's label with a line for each of its values: a phone is narrow."""
    return label.replace(", ", ",<br>")


def row_heights(lines: Collection[str]) -> int:
    """Height of a figure's lines, a line a variant, in pixels."""
    deepest = max((each.count("<br>") for each in lines), default=0)
    return len(lines) * (ROW + LINE * max(deepest - 1, 0))


def plain(height: int) -> go.Figure:
    """Nothing yet, so many pixels high."""
    return go.Figure(
        layout={
            "height": height,
            "margin": {"l": 8, "r": 18, "t": 12, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "legend": LEGEND,
            "xaxis": AXIS,
            "yaxis": AXIS,
            "hoverlabel": {"align": "left"},
        }
    )


def axis_title(measure: Measure) -> str:
    """`PSNR-Y, dB`."""
    return f"{measure.title}, {measure.unit}" if measure.unit else measure.title


def difference_title(measure: Measure) -> str:
    """`Δ PSNR-Y, dB`."""
    return f"Δ {axis_title(measure)}"
