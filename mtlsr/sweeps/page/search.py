"""What a search adds to the page: Optuna's own figures of its trials."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from mtlsr.sweeps.page.style import LEGEND

STUDY = "study.db"
"""Optuna's storage in a search's folder."""

Drawn = tuple[str, str, go.Figure]
"""Title, note, figure."""

ENOUGH = 3
"""Whole trials, at the least, before anything can be seen."""

HEIGHT = 400


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
        yield "Trials that no other one beats", "On the validation photographs.", _plain(front)
    for index, name in enumerate(names):
        chosen: dict[str, Any] = {"target_name": name}
        if several:
            chosen["target"] = _value(index)
        title = f" · {name}" if several else ""
        history = visualization.plot_optimization_history(study, **chosen)
        yield f"Trials in their order{title}", "On the validation photographs.", _plain(history)
        shares = visualization.plot_param_importances(study, **chosen)
        shares.update_yaxes(title=None)
        note = "Shares of the variation over trials (fANOVA); of few trials they mean little."
        yield f"Which value matters{title}", note, _plain(shares)
        slices = visualization.plot_slice(study, **chosen)
        yield f"What was tried{title}", "Later trials are darker.", _plain(slices, wide=True)
        lines = visualization.plot_parallel_coordinate(study, **chosen)
        yield f"Trials as lines{title}", "Each line is a trial.", _plain(lines, wide=True)
    if any(trial.intermediate_values for trial in study.trials):
        curves = visualization.plot_intermediate_values(study)
        yield "Validation on the way", "A line is a trial; short ones were pruned.", _plain(curves)


def _value(index: int) -> Callable[..., float]:
    return lambda trial: float(trial.values[index])


def _plain(figure: go.Figure, wide: bool = False) -> go.Figure:
    """As the page's other figures are: its title and its colours of text come from the page."""
    figure.update_layout(
        title=None,
        template="none",
        width=None,  # the page's
        height=HEIGHT + 60 * wide,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend=LEGEND,
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
