"""What a search adds to the page: Optuna's own figures of its trials."""

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from mtlsr.sweeps.jobs import STUDY
from mtlsr.sweeps.page.style import AXIS, COLOURS, LEGEND

if TYPE_CHECKING:
    from optuna import Study

Drawn = tuple[str, str, go.Figure]
"""Title, note, figure."""

ENOUGH = 3
"""Whole trials, at the least, before anything can be seen."""

HEIGHT = 400

SCALE = [[0, COLOURS[1]], [1, COLOURS[0]]]
"""Orange to blue: seen on white and on black."""

BEST, OTHER = COLOURS[0], COLOURS[-1]


def drawn(sweeps: Sequence[Path]) -> Iterator[Drawn]:
    """Figures of every folder that holds a search; none of a sweep, and none without Optuna."""
    for sweep in sweeps:
        if (sweep / STUDY).is_file():
            yield from _figures(sweep)


def _figures(sweep: Path) -> Iterator[Drawn]:
    try:
        from optuna import visualization
        from optuna.trial import TrialState

        from mtlsr.sweeps.search.trials import NAMES, stored
    except ModuleNotFoundError:  # the report is made where the search was not
        return
    study = stored(sweep)
    if len(study.get_trials(states=[TrialState.COMPLETE])) < ENOUGH:
        return
    names, several = study.user_attrs[NAMES], len(study.directions) > 1
    if several:
        front = visualization.plot_pareto_front(study, target_names=names)
        for trace, colour in zip(front.data, (OTHER, BEST), strict=True):
            trace.marker.update(showscale=False, color=colour)
        note = "On the validation photographs. No other trial beats the blue ones."
        yield "Trials that no other one beats", note, _plain(front)
    for index, name in enumerate(names):
        chosen = _objective(study, index, name)
        title = f" · {name}" if several else ""
        history = visualization.plot_optimization_history(study, **chosen)
        yield f"Trials in their order{title}", "On the validation photographs.", _plain(history)
        note = "Shares in what sets the best trials apart (PED-ANOVA); of few they mean little."
        yield f"Which value matters{title}", note, _importances(study, index, name)
        slices = visualization.plot_slice(study, **chosen)
        slices.update_traces(marker={"showscale": False, "colorscale": SCALE, "line": {"width": 0}})
        note = "Orange trials came first, blue ones last."
        yield f"What was tried{title}", note, _plain(slices, wide=True)
    if any(trial.intermediate_values for trial in study.trials):
        curves = visualization.plot_intermediate_values(study)
        yield "Validation on the way", "A line is a trial; short ones were pruned.", _plain(curves)


def _objective(study: "Study", index: int, name: str, sign: int = 1) -> dict[str, Any]:
    """What a figure of Optuna is asked to show: the only objective, or `sign` times one of more."""
    if len(study.directions) == 1:
        return {"target_name": name}
    return {"target_name": name, "target": lambda trial: sign * trial.values[index]}


def _importances(study: "Study", index: int, name: str) -> go.Figure:
    from optuna.visualization import plot_param_importances

    # PED-ANOVA takes a target's low values for the good ones, and warns of that.
    sign = -1 if study.directions[index].name == "MAXIMIZE" else 1
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*computes the importances")
        figure = plot_param_importances(study, **_objective(study, index, name, sign))
    figure.update_xaxes(title="Share")
    return _plain(figure).update_yaxes(title=None).update_layout(margin={"r": 40})


def _plain(figure: go.Figure, wide: bool = False) -> go.Figure:
    """As the page's other figures are: its title and its colours of text come from the page."""
    figure.update_layout(
        title=None,
        template="none",
        width=None,  # the page's
        height=HEIGHT + 60 * wide,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend=LEGEND,
    )
    figure.update_xaxes(AXIS)
    figure.update_xaxes(dtick=1, selector={"type": "log"})
    return figure.update_yaxes(AXIS)
