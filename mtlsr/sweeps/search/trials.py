"""The trials of a search: asked of Optuna, kept in SQLite, told what became of their jobs."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from omegaconf import DictConfig
from optuna.pruners import BasePruner, MedianPruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mtlsr.files import read_csv
from mtlsr.runs.manifest import NAME as MANIFEST
from mtlsr.runs.pruning import PRUNED, Pruning
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.terms import TERMS
from mtlsr.runs.tracking import METRICS
from mtlsr.runs.training import MONITORED
from mtlsr.sweeps.details import JUDGE
from mtlsr.sweeps.jobs import COMMAND as SWEPT
from mtlsr.sweeps.jobs import STUDY
from mtlsr.sweeps.search.space import Space, rounded
from mtlsr.sweeps.settings import refuse_other

COMMAND = "command"
"""The study's note of what was asked."""

CONFIG = "config"
"""The study's note of its trainings' configuration, but for what is searched."""

NAMES = "objectives"
"""The study's note of what its values are."""

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def quality(folder: Path) -> float:
    """PSNR-Y on the validation photographs in dB, as the last validation found it."""
    found = [row.get(MONITORED["restoration"]) for row in read_csv(folder / METRICS)]
    return next((float(value) for value in reversed(found) if value), math.nan)


def gram(folder: Path) -> float:
    """The realism term's raw value on the validation photographs: smaller is more like them."""
    found = json.loads((folder / TERMS).read_text(encoding="utf-8"))
    validated = [float(own[JUDGE]) for name, own in found.items() if name.endswith("-val")]
    return validated[0] if validated else math.nan


OBJECTIVES: dict[str, tuple[StudyDirection, Callable[[Path], float]]] = {
    "psnr_y": (StudyDirection.MAXIMIZE, quality),
    "gram": (StudyDirection.MINIMIZE, gram),
}
"""Name -> which way is better, and how it is read from a finished run."""

TITLES = {"psnr_y": "PSNR-Y, dB", "gram": "Gram distance"}


def address(folder: Path) -> str:
    """Where Optuna finds the study of a search."""
    return f"sqlite:///{(folder / STUDY).absolute()}"


def stored(folder: Path, pruner: BasePruner | None = None) -> optuna.Study:
    """The study of a search that has begun."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.load_study(study_name=None, storage=address(folder), pruner=pruner)


def opened(
    cfg: DictConfig, folder: Path, command: Sequence[str], first: dict[str, Any] | None
) -> optuna.Study:
    """The study of a search, begun or gone on with.

    Args:
        cfg: `search` of the configuration.
        folder: The search's.
        command: What was asked; a search goes on with the same alone.
        first: Values of the first trial; None = chance.

    Raises:
        ConfigError: The folder holds the search of another command, or a sweep.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if not (folder / STUDY).exists() and (folder / SWEPT).exists():
        raise ConfigError(f"{str(folder)!r} holds a sweep; a search needs a folder of its own.")
    study = optuna.create_study(
        study_name="mtlsr",
        storage=address(folder),
        directions=[OBJECTIVES[name][0] for name in cfg.objectives],
        load_if_exists=True,
    )
    theirs = study.user_attrs.get(COMMAND)
    if theirs is None:
        study.set_user_attr(COMMAND, list(command))
        study.set_user_attr(NAMES, [TITLES[name] for name in cfg.objectives])
        if first is not None:
            study.enqueue_trial(first)
    elif theirs != list(command):
        raise ConfigError(
            f"search.resume is {str(folder)!r}, the search of another command: it has "
            f"{' '.join(theirs) or 'nothing'} where this has {' '.join(command) or 'nothing'}."
        )
    return study


def ask(study: optuna.Study, found: Space, cfg: DictConfig) -> FrozenTrial:
    """A new trial.

    Its values, of three digits, follow from the search's seed, its number and the trials before
    it: a search that was stopped and goes on is the one that was never stopped.
    """
    if not study.get_trials(states=[TrialState.WAITING]):
        study.enqueue_trial(rounded(_chosen(study, found, cfg), found))
    number = study.ask(found).number
    return study.trials[number]


def _chosen(study: optuna.Study, found: Space, cfg: DictConfig) -> dict[str, Any]:
    """Values of the next trial, as TPE has them, to all digits."""
    seed = np.random.SeedSequence([cfg.seed, len(study.trials)]).generate_state(1)[0]
    sampler = optuna.samplers.TPESampler(n_startup_trials=cfg.random, seed=int(seed))
    thought = optuna.create_study(directions=study.directions, sampler=sampler)
    thought.add_trials(study.trials)
    return thought.ask(found).params


def check_config(study: optuna.Study, folder: Path, config: Mapping[str, Any]) -> None:
    """Note the configuration of a search that begins; refuse to go on with it under another one.

    Raises:
        ConfigError: The files under conf/ have changed.
    """
    ours = {key: value for key, value in config.items() if key != "search"}
    theirs = study.user_attrs.get(CONFIG)
    if theirs is None:
        study.set_user_attr(CONFIG, ours)
    else:
        refuse_other(folder, theirs, ours, "search")


def unfinished(study: optuna.Study, parallel: int) -> list[list[FrozenTrial]]:
    """Trials that were begun and of which nothing has been told, as they run: several at a time.

    Those of a group have consecutive numbers.
    """
    groups: list[list[FrozenTrial]] = []
    for trial in study.get_trials(states=[TrialState.RUNNING]):
        last = groups[-1] if groups else []
        if last and last[-1].number + 1 == trial.number and len(last) < parallel:
            last.append(trial)
        else:
            groups.append([trial])
    return groups


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that are whole, pruned or failed."""
    return study.get_trials(states=ENDED)


def tell(study: optuna.Study, number: int, folder: Path, objectives: Sequence[str]) -> None:
    """Tell Optuna what a trial's job left in its folder."""
    status = _status(folder)
    if status == PRUNED:
        study.tell(number, state=TrialState.PRUNED)
    elif status == "done":
        values = [OBJECTIVES[name][1](folder) for name in objectives]
        finite = all(map(math.isfinite, values))
        study.tell(number, values if finite else None, None if finite else TrialState.FAIL)
    else:
        study.tell(number, state=TrialState.FAIL)


def over(folder: Path) -> bool:
    """Whether a trial's job came to an end that is told and not run again."""
    return _status(folder) in ("done", PRUNED)


def watching(cfg: DictConfig, folder: Path, number: int) -> list[Pruning]:
    """What ends a trial's training early: nothing where there is no pruning, or no one objective.

    Args:
        cfg: `search` of the configuration.
        folder: The search's.
        number: The trial's.
    """
    if not cfg.pruning or list(cfg.objectives) != ["psnr_y"]:
        return []
    study = stored(folder, MedianPruner(n_startup_trials=cfg.whole))
    asked = study.trials[number]
    trial = optuna.trial.Trial(study, asked._trial_id)

    def hopeless(step: int, value: float) -> bool:
        if step not in asked.intermediate_values:  # else it was stopped after that, and goes on
            trial.report(value, step)
        return trial.should_prune()

    return [Pruning(MONITORED["restoration"], hopeless)]


def _status(folder: Path) -> str | None:
    path = folder / MANIFEST
    return json.loads(path.read_text(encoding="utf-8"))["status"] if path.is_file() else None
