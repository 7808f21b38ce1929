"""Which values a search may choose."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from mtlsr.runs.command import literal
from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.settings import text

Space = dict[str, BaseDistribution]
"""Key of the configuration -> what it may be."""

DIGITS = 3
"""Of a real value, significant ones."""

WORD = re.compile(r"(?!(?:true|false|null|nan|inf)$)[A-Za-z_][\w./-]*", re.IGNORECASE)
"""What Hydra's grammar takes as a word."""

ALLOWED = "low and high, with log or step if you like, or choices"


def space(node: Mapping[str, Any], cfg: DictConfig) -> Space:
    """The space that `search.space` describes.

    Args:
        node: What it holds.
        cfg: The configuration of a training: what is a real number there is one in the space.

    Raises:
        ConfigError: It is empty; a key is no value of a training, or has neither limits nor
            choices, or impossible ones.
    """
    found = dict(_flat(node, ""))
    if not found:
        raise ConfigError("search.space is empty: there is nothing to choose.")
    missing = object()
    for key in found:
        usual = OmegaConf.select(cfg, key, default=missing)
        if usual is missing:
            raise ConfigError(f"search.space has {key}, which a training does not.")
        if OmegaConf.is_dict(usual):
            names = ", ".join(map(str, usual))
            raise ConfigError(f"search.space has {key}, which is no value but holds {names}.")
    return {
        key: _distribution(key, given, isinstance(OmegaConf.select(cfg, key), float))
        for key, given in found.items()
    }


def ends(found: Space) -> Iterator[dict[str, Any]]:
    """Trials that together hold the least, the greatest and every listed value of a space."""
    listed = [len(each.choices) for each in found.values() if hasattr(each, "choices")]
    for index in range(max([2, *listed])):
        yield {
            key: each.choices[index % len(each.choices)]
            if isinstance(each, CategoricalDistribution)
            else (each.low, each.high)[index % 2]  # type: ignore[attr-defined]
            for key, each in found.items()
        }


def usual(found: Space, cfg: DictConfig) -> dict[str, Any] | None:
    """What the configuration has for the keys of a space; None where that lies outside of it."""
    values = {key: OmegaConf.select(cfg, key) for key in found}
    return values if all(_holds(found[key], value) for key, value in values.items()) else None


def rounded(values: Mapping[str, Any], found: Space) -> dict[str, Any]:
    """Values with no more digits than a reader can use; still within the space."""
    return {key: _rounded(value, found[key]) for key, value in values.items()}


def overrides(values: Mapping[str, Any]) -> list[str]:
    """Values as a command line has them."""
    return [f"{key}={_text(value)}" for key, value in values.items()]


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in node.items():
        if not isinstance(value, Mapping):
            raise ConfigError(f"search.space.{prefix}{name} is {value!r}; it has {ALLOWED}.")
        if all(isinstance(each, Mapping) for each in value.values()):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _distribution(key: str, given: Mapping[str, Any], real: bool) -> BaseDistribution:
    try:
        if set(given) == {"choices"}:
            choices = list(given["choices"])
            if not all(each is None or isinstance(each, str | int | float) for each in choices):
                raise ValueError("choices are numbers, words, true, false or null")
            return CategoricalDistribution(choices)
        low, high, log, step = _limits(**given)
        if not real and all(isinstance(each, int) for each in (low, high, step or 1)):
            return IntDistribution(low, high, log, step or 1)
        return FloatDistribution(low, high, log, step)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"search.space.{key} is {dict(given)}; it has {ALLOWED} ({error})."
        ) from error


def _limits(low: Any, high: Any, log: bool = False, step: Any = None) -> tuple[Any, Any, bool, Any]:
    return low, high, log, step


def _holds(distribution: BaseDistribution, value: Any) -> bool:
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return isinstance(value, int | float) and distribution._contains(value)  # on its grid, too


def _rounded(value: Any, distribution: BaseDistribution) -> Any:
    if not isinstance(distribution, FloatDistribution) or distribution.step is not None:
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), distribution.low), distribution.high)


def _text(value: Any) -> str:
    """A value in Hydra's grammar; a word that this would read as something else is quoted."""
    if isinstance(value, str):
        return value if WORD.fullmatch(value) else literal(value)
    # All digits of a number: settings.text has as many as one reads.
    return text(value) if value is None or isinstance(value, bool) else str(value)
