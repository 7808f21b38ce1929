"""The figures of a report, drawn by Plotly. The page gives them the colours of text and grid."""

import math
from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from mtlsr.runs.evaluation.pareto import front
from mtlsr.sweeps.details import Curve, thinned
from mtlsr.sweeps.leaderboard import Leaderboard
from mtlsr.sweeps.page.style import (
    COLOURS,
    axis_title,
    colours,
    difference_title,
    in_lines,
    plain,
    row_heights,
)
from mtlsr.sweeps.statistics import Board
from mtlsr.sweeps.variants import Variant

NAMED = 6
"""Variants that a legend names, at the most; of more, the pointer says which one it is on."""


def differences(found: Leaderboard, board: Board, labels: Mapping[str, str]) -> go.Figure:
    """Differences to the baseline with their intervals, a line a variant, the best at the top."""
    measure, tints = board.measures[0], colours(found.variants)
    names = [name for name in board.ranked() if board.scores[name][measure.name].difference]
    lines = {name: in_lines(labels[name]) for name in names}
    figure = plain(height=120 + row_heights(lines.values()))
    for name in names:
        interval = board.scores[name][measure.name].difference
        assert interval is not None  # `names` has looked
        figure.add_scatter(
            x=[interval.mean],
            y=[lines[name]],
            error_x={
                "type": "data",
                "array": [interval.high - interval.mean],
                "arrayminus": [interval.mean - interval.low],
                "thickness": 2,
                "width": 6,
            },
            mode="markers",
            marker={"size": 11, "color": tints[name]},
            name=labels[name],
        )
    figure.add_vline(x=0, line={"width": 1, "dash": "dot", "color": "#888"})
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title=difference_title(measure))
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


def responses(found: Leaderboard, board: Board, key: str) -> go.Figure | None:
    """How the first measure answers to a swept number; a curve for each choice of the others.

    Points are differences to the baseline with 95 % intervals, the baseline itself is zero. None
    where no curve has two of them, as in a search, where everything changes at once, or with one
    seed and one image.
    """
    measure, every_curve = board.measures[0], _curves(found.variants, board, key)
    curves = {others: own for others, own in every_curve.items() if len({x for x, _ in own}) > 1}
    if not curves:
        return None
    figure = plain(height=380)
    for index, (others, points) in enumerate(curves.items()):
        xs, means, above, below = [], [], [], []
        for x, name in points:
            interval = board.scores[name][measure.name].difference
            xs.append(x)
            means.append(interval.mean if interval else 0.0)
            above.append(interval.high - interval.mean if interval else 0.0)
            below.append(interval.mean - interval.low if interval else 0.0)
        figure.add_scatter(
            x=xs,
            y=means,
            error_y={"type": "data", "array": above, "arrayminus": below, "thickness": 1.5},
            mode="lines+markers",
            marker={"size": 9},
            line={"color": COLOURS[index % len(COLOURS)], "width": 2},
            name=others or measure.title,
        )
    positive = [x for points in curves.values() for x, _ in points if x > 0]
    every = [x for points in curves.values() for x, _ in points]
    wide = len(positive) == len(every) and max(positive) >= 10 * min(positive)
    figure.add_hline(y=0, line={"width": 1, "dash": "dot", "color": "#888"})
    figure.update_layout(showlegend=len(curves) > 1)
    figure.update_xaxes(title=key)
    if wide:
        own = sorted(set(every))  # a decade's 2 and 5 between them would only confuse
        figure.update_xaxes(type="log", tickvals=own, ticktext=[f"{x:g}" for x in own])
    figure.update_yaxes(title=difference_title(measure))
    return figure


def pareto(
    found: Leaderboard,
    board: Board,
    distances: Mapping[str, float],
    labels: Mapping[str, str],
) -> go.Figure | None:
    """Quality against perception, up and to the left is better, with the front that none beats.

    Args:
        found: Whose colours.
        board: Quality is its first measure.
        distances: Variant -> Gram distance of the realism term, smaller is more like the original.
        labels: Variant -> how it is called.

    Returns:
        None where fewer than two variants have both.
    """
    measure, tints = board.measures[0], colours(found.variants)
    points = {
        name: (distances[name], board.scores[name][measure.name])
        for name in board.ranked()
        if name in distances
    }
    if len(points) < 2:
        return None
    figure = plain(height=420)
    best = front({n: (x, score.mean) for n, (x, score) in points.items()}, measure.higher_is_better)
    figure.add_scatter(
        x=[points[name][0] for name in best],
        y=[points[name][1].mean for name in best],
        mode="lines",
        line={"dash": "dot", "width": 2, "color": "#888"},
        name="front",
        hoverinfo="skip",
    )
    for name, (x, score) in points.items():
        figure.add_scatter(
            x=[x],
            y=[score.mean],
            error_y={"type": "data", "array": [score.deviation or 0.0], "thickness": 1.5},
            mode="markers",
            marker={"size": 12, "color": tints[name]},
            name=labels[name],
        )
    figure.update_layout(showlegend=len(points) <= NAMED)
    figure.update_xaxes(title="Gram distance (lower is better)")
    figure.update_yaxes(title=axis_title(measure))
    return figure


def training(
    found: Leaderboard,
    curves: Mapping[str, Mapping[str, Curve]],
    column: str,
    axis: str,
    labels: Mapping[str, str],
) -> go.Figure | None:
    """A logged value against the step, a line for each job, a colour for each variant.

    Args:
        found: Whose jobs.
        curves: Job's folder -> name -> curve.
        column: Which of them.
        axis: What its axis is called.
        labels: Variant -> how it is called.

    Returns:
        None where no job logged it twice.
    """
    tints, figure, drawn = colours(found.variants), plain(height=380), 0
    for variant in found.variants:
        shown = False
        for job in variant.jobs:
            curve = curves.get(str(job.folder), {}).get(column)
            if curve is None or len(curve[0]) < 2:
                continue
            steps, values = thinned(curve)
            figure.add_scatter(
                x=steps,
                y=values,
                mode="lines",
                line={"color": tints[variant.name], "width": 1.8},
                name=labels[variant.name],
                legendgroup=variant.name,
                showlegend=not shown,
                hovertemplate=f"seed {job.value('seed')}, step %{{x}}: %{{y:.4g}}",
            )
            shown, drawn = True, drawn + 1
    figure.update_layout(showlegend=len(found.variants) <= NAMED)
    figure.update_xaxes(title="step")
    figure.update_yaxes(title=axis)
    return figure if drawn else None


def stacked(values: Mapping[str, Mapping[str, float]]) -> go.Figure | None:
    """Shares of the loss as bars, a bar a variant; None where there are none.

    Args:
        values: Variant's label -> term -> share.
    """
    names = list(dict.fromkeys(term for row in values.values() for term in row))
    if not names:
        return None
    lines = [in_lines(label) for label in values]
    figure = plain(height=160 + row_heights(lines))
    for index, term in enumerate(names):
        figure.add_bar(
            y=lines,
            x=[100 * row.get(term, 0.0) for row in values.values()],
            name=term,
            orientation="h",
            marker={"color": COLOURS[index % len(COLOURS)]},
            hovertemplate="%{x:.1f} %",
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title="share of the loss, %", range=[0, 100])
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


def cosine_map(values: Mapping[str, Mapping[str, float]]) -> go.Figure | None:
    """Cosines of the terms' gradients, a row a variant, a column a pair; None without any.

    Args:
        values: Variant's label -> pair -> cosine.
    """
    pairs = list(dict.fromkeys(pair for row in values.values() for pair in row))
    if not pairs:
        return None
    cells = [[row.get(pair) for pair in pairs] for row in values.values()]
    lines = [in_lines(label) for label in values]
    figure = plain(height=120 + row_heights(lines))
    figure.add_heatmap(
        x=[pair.replace("~", "<br>") for pair in pairs],
        y=lines,
        z=cells,
        zmin=-1,
        zmax=1,
        colorscale="RdBu",
        text=[["" if cell is None else f"{cell:+.2f}" for cell in row] for row in cells],
        texttemplate="%{text}",
        showscale=False,  # the numbers stand in the cells
        hovertemplate="%{y}<br>%{x}: %{z:.3f}<extra></extra>",
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(automargin=True, tickangle=0, tickfont={"size": 11})
    return figure


def _curves(found: Sequence[Variant], board: Board, key: str) -> dict[str, list[tuple[float, str]]]:
    """Other swept values -> points of `key` with their variant's name, in order.

    Points are the baseline and what can be compared with it.
    """
    curves: dict[str, list[tuple[float, str]]] = {}
    first = board.measures[0].name
    compared = {
        n for n, own in board.scores.items() if n == board.baseline or own[first].difference
    }
    for variant in found:
        try:
            x = float(variant.values[key])
        except ValueError:
            continue
        if variant.name in compared and math.isfinite(x):
            others = " ".join(f"{k}={v}" for k, v in variant.values.items() if k != key)
            curves.setdefault(others, []).append((x, variant.name))
    return {others: sorted(points) for others, points in curves.items()}
