"""What an evaluation compares, and how: everything that the configuration asks for, found."""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mtlsr.data.pairs import EvaluationSet
from mtlsr.inference.methods.base import Method
from mtlsr.metrics.protocol import PRESETS, Protocol
from mtlsr.metrics.table import Measure
from mtlsr.runs.evaluation.measures import find_measures
from mtlsr.runs.evaluation.methods import common_scale, find_methods, find_settings, unusual
from mtlsr.runs.evaluation.results import earlier
from mtlsr.runs.evaluation.sets import find_sets
from mtlsr.runs.schema import ConfigError


@dataclass(frozen=True)
class Comparison:
    """What is compared."""

    methods: dict[str, Method]
    sets: list[EvaluationSet]
    protocol: Protocol
    measures: tuple[Measure, ...]
    settings: dict[str, Any]
    """How networks compute, where it is not the usual way."""
    notes: tuple[str, ...]
    """Measures that are asked for and cannot be taken here."""


def comparison(cfg: DictConfig) -> Comparison:
    """Find what `cfg` asks for; nothing is measured.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    settings = find_settings(cfg)
    methods = find_methods(cfg, settings)
    scale = common_scale(cfg.scale, methods)
    protocol = _protocol(cfg.protocol, scale)
    if cfg.published and protocol != Protocol.preset("literature", scale):
        raise ConfigError(
            f"published=true shows figures of protocol=literature, and protocol is {cfg.protocol}."
        )
    measures, missing = find_measures(cfg.metrics)
    sets = find_sets(cfg, scale)
    for method in methods.values():
        method.prepare(sets)
    images = {(each.name, image) for each in sets for image in each.names}
    for folder in cfg.beside:
        earlier(Path(folder), protocol, measures, images)
    if cfg.pareto and find_spec("matplotlib") is None:
        raise ConfigError("pareto needs the package matplotlib: pip install 'mtlsr[plots]'.")
    return Comparison(methods, sets, protocol, measures, unusual(settings), missing)


def _protocol(asked: Any, scale: int) -> Protocol:
    """A preset by its name, or `{preset: <name>, border: 0}` with any of the protocol's values."""
    values = {"preset": asked} if isinstance(asked, str) else asked
    if not isinstance(values, DictConfig | dict):
        raise ConfigError(f"protocol is {asked}; it is one of {', '.join(PRESETS)}.")
    changes = {str(key): value for key, value in values.items()}
    preset = Protocol.preset(changes.pop("preset", "literature"), scale)
    allowed = [key for key in preset.describe() if key not in ("rules", "scale")]
    for key in changes:
        if key not in allowed:
            raise ConfigError(f"protocol has no {key!r}; it has {', '.join(allowed)}.")
    return replace(preset, **changes)
