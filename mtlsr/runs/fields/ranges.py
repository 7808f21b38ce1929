"""Numbers out of their range are refused, wherever they stand."""

import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from mtlsr.runs.fields.values import ConfigError


def check_ranges(cfg: DictConfig) -> None:
    """Refuse the first number that is out of its range.

    Raises:
        ConfigError: With the key, the value and what is allowed; also for a missing value.
    """
    for key, value, limits in _numbers(cfg, ""):
        least, most, above = limits["least"], limits["most"], limits["above"]
        too_low = value <= least if above else value < least
        if not math.isfinite(value) or too_low or value > most:
            raise ConfigError(f"{key} is {value}; {_allowed(least, most, above)}.")


def _numbers(node: DictConfig, prefix: str) -> Iterator[tuple[str, float, Any]]:
    schema = OmegaConf.get_type(node)
    if not is_dataclass(schema):
        return
    for entry in fields(schema):
        key = prefix + entry.name
        if OmegaConf.is_missing(node, entry.name):
            raise ConfigError(f"{key} is missing; give it as {key}=...")
        if OmegaConf.is_interpolation(node, entry.name):
            continue
        value = node[entry.name]
        if isinstance(value, DictConfig):
            yield from _numbers(value, key + ".")
        elif isinstance(value, ListConfig):
            for index, item in enumerate(value):
                if isinstance(item, DictConfig):
                    yield from _numbers(item, f"{key}.{index}.")
        elif "least" in entry.metadata and value is not None:
            yield key, value, entry.metadata


def _allowed(least: float, most: float, above: bool) -> str:
    lower = f"above {least:g}" if above else f"at least {least:g}"
    if math.isinf(most):
        return f"it must be finite and {lower}"
    return f"it must be {lower} and at most {most:g}"
