"""What is compared with what: methods of results folders, by name, pair by pair."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.table import MEASURES, Measure
from mtlsr.runs.names import told_apart
from mtlsr.runs.pairwise import checks
from mtlsr.runs.recorded import Entry, Recorded, read
from mtlsr.runs.schema import ConfigError


@dataclass(frozen=True)
class Selection:
    """What is compared, and what a reader has to know of it."""

    entries: dict[str, Entry]
    """Methods by the names that they have here."""
    pairs: list[tuple[str, str]]
    """Names: the first one's figures minus the second one's."""
    datasets: list[str]
    measures: list[Measure]
    protocol: Protocol
    notes: list[str]


def select(cfg: DictConfig) -> Selection:
    """Find what `cfg` asks for, and make sure that it can be compared.

    Raises:
        UserError: What is missing or does not go together, and what there is.
    """
    folders = {name: read(path) for name, path in _folders(cfg).items()}
    protocol = checks.common_protocol(folders)
    entries = _named(_chosen(_all(folders), cfg.methods))
    pairs, measures = _pairs(list(entries), cfg.baseline), find_measures(cfg.metrics)
    datasets, notes = checks.common_datasets(entries, cfg.datasets)
    for dataset in datasets:
        checks.check_images(entries, dataset)
        checks.check_figures(entries, dataset, measures, protocol)
        checks.check_inputs(folders, dataset, measures)
    notes += checks.remarks(folders, entries, datasets, measures, protocol)
    return Selection(entries, pairs, datasets, measures, protocol, notes)


def _folders(cfg: DictConfig) -> dict[str, Path]:
    """Results folders by names that tell them apart."""
    if (cfg.a is None) != (cfg.b is None) or (cfg.a is None) == (cfg.results is None):
        raise ConfigError("Give two results as a=<folder> b=<folder>, any number as results=[...].")
    asked: Any = [cfg.a, cfg.b] if cfg.results is None else cfg.results
    if OmegaConf.is_config(asked):
        asked = OmegaConf.to_container(asked)
    given = [asked] if isinstance(asked, str) else asked
    paths = list(given.values()) if isinstance(given, dict) else given
    if not isinstance(paths, list) or not paths or not all(isinstance(p, str) for p in paths):
        raise ConfigError(f"results is {asked}; a folder, a list or a mapping of them is needed.")
    places = [Path(path).resolve() for path in paths]
    if len(set(places)) < len(places):
        raise ConfigError(
            f"A folder is given twice: {', '.join(paths)}. results=<folder> compares the methods "
            "of a single one."
        )
    names = [str(name) for name in given] if isinstance(given, dict) else told_apart(places)
    return {name: Path(path) for name, path in zip(names, paths, strict=True)}


def _all(folders: Mapping[str, Recorded]) -> list[Entry]:
    """Every method of every folder: models, then interpolation, which is the same in each, once."""
    every = [Entry(name, m, results) for name, results in folders.items() for m in results.methods]
    first = {entry.method: entry for entry in reversed(every) if entry.interpolates}
    models = [entry for entry in every if not entry.interpolates]
    return models + [entry for entry in every if first.get(entry.method) is entry]


def _chosen(there: Sequence[Entry], asked: Sequence[str] | None) -> list[Entry]:
    """The methods that are asked for; else the models of several folders, or all of one.

    Raises:
        ConfigError: An unknown method, or fewer than two.
    """
    if asked is None:
        models = [entry for entry in there if not entry.interpolates]
        chosen = models if len({entry.folder for entry in models}) > 1 else list(there)
    else:
        chosen = []
        for word in asked:
            found = [entry for entry in there if word in (entry.method, entry.full_name)]
            if not found:
                known = ", ".join(dict.fromkeys(entry.method for entry in there))
                raise ConfigError(f"methods holds {word!r}; the results hold {known}.")
            chosen += [entry for entry in found if entry not in chosen]
    if len(chosen) < 2:
        only = f"Only {chosen[0].method} is" if chosen else "Nothing is"
        raise ConfigError(f"{only} there to compare; at least two methods are needed.")
    return chosen


def _named(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Methods by their own names where those differ, else by their folders', else by both."""
    by_both = [entry.full_name for entry in entries]
    for names in ([e.method for e in entries], [e.folder for e in entries], by_both):
        # Interpolation belongs to no folder.
        own = [e.method if e.interpolates else n for e, n in zip(entries, names, strict=True)]
        if len(set(own)) == len(own):
            break
    return dict(zip(own, entries, strict=True))


def _pairs(names: Sequence[str], baseline: str | None) -> list[tuple[str, str]]:
    """Each with each, or each with the baseline."""
    if baseline is None:
        return list(combinations(names, 2))
    if baseline not in names:
        raise ConfigError(f"baseline is {baseline!r}; it is one of {', '.join(names)}.")
    return [(name, baseline) for name in names if name != baseline]


def find_measures(names: Sequence[str]) -> list[Measure]:
    """The measures of these names; their figures are there, so no backbone is needed.

    Raises:
        ConfigError: An unknown one, or none.
    """
    unknown = [name for name in names if name not in MEASURES]
    if unknown or not names:
        raise ConfigError(f"metrics is {list(names)}; choose from {', '.join(MEASURES)}.")
    return [MEASURES[name] for name in dict.fromkeys(names)]
