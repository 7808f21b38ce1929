"""benchmark.png: how every measured value stands to its limit."""

from pathlib import Path

from mtlsr.runs import drawing
from mtlsr.runs.timing.record import Parts


def plot(path: Path, parts: Parts) -> None:
    """Draw the ratio of every figure as a bar, a panel for each part, with a line at 1."""
    from matplotlib.figure import Figure

    shown = {part: {n: f.ratio for n, f in found.items()} for part, found in parts.items()}
    rows = [max(2, len(ratios)) for ratios in shown.values()]
    figure = Figure(figsize=(8, 0.8 * len(shown) + 0.22 * sum(rows)), layout="constrained")
    panels = figure.subplots(len(shown), squeeze=False, height_ratios=rows)[:, 0]
    for axes, (part, ratios) in zip(panels, shown.items(), strict=True):
        bars = axes.barh(list(ratios), list(ratios.values()), color="tab:blue", height=0.6)
        axes.bar_label(bars, fmt="%.3g", padding=3, fontsize=8)
        axes.axvline(1, color="tab:gray", linewidth=1)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_title(f"{part}: value / limit", loc="left", fontsize=10)
        axes.tick_params(labelsize=8)
    drawing.save(figure, path)
