"""What a search found, in words."""

import shlex
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from mtlsr.sweeps.search.space import overrides
from mtlsr.sweeps.search.trials import NAMES, ended

STATES = {TrialState.COMPLETE: "whole", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


def best(study: optuna.Study, given: Sequence[str]) -> list[str]:
    """How many trials there were, which is the best, and the command that trains it.

    Of several objectives, all trials that no other one beats in each of them.

    Args:
        study: The search's.
        given: What every trial's command has.
    """
    states = [trial.state for trial in ended(study)]
    counts = [f"{states.count(state)} {word}" for state, word in STATES.items() if state in states]
    said = [f"{len(states)} trials: {', '.join(counts) or 'none has ended'}."]
    if TrialState.COMPLETE not in states:
        return said
    names = study.user_attrs.get(NAMES, ["value"])
    for trial in sorted(study.best_trials, key=lambda each: each.values):
        said.append(f"{_opening(study)} {trial.number}, {_reached(trial, names)}:")
        said.append(f"  {command(trial, given)}")
    return said


def command(trial: FrozenTrial, given: Sequence[str]) -> str:
    """What trains a trial again."""
    return shlex.join(["python", "-m", "mtlsr.train", *given, *overrides(trial.params)])


def _opening(study: optuna.Study) -> str:
    return "Best is trial" if len(study.directions) == 1 else "None beats trial"


def _reached(trial: FrozenTrial, names: Sequence[str]) -> str:
    pairs = zip(names, trial.values, strict=True)
    parts = [(*name.partition(", "), value) for name, value in pairs]
    return ", ".join(f"{title} {value:.4g} {unit}".strip() for title, _, unit, value in parts)
