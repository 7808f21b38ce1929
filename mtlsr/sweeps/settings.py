"""What a job is told, in a form in which it can be compared with what another one was told."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString, Sweep
from hydra.errors import HydraException

from mtlsr.runs.schema import ConfigError

INDIFFERENT = ("folder", "cache", "resume", "sweep", "logger", "trainer.progress")
"""Keys that change nothing of what a job finds out."""


def settles(override: str) -> bool:
    """Whether an override has a part in what its job finds out."""
    key = override.partition("=")[0].lstrip("+~")
    return not key.startswith(("hydra.", "hydra/")) and not any(
        key == each or key.startswith((f"{each}.", f"{each}/", f"{each}@")) for each in INDIFFERENT
    )


def own(overrides: Iterable[str]) -> list[str]:
    """Overrides that make a job what it is."""
    return [override for override in overrides if settles(override)]


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A configuration's values by dotted names, but those that change nothing."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        name = f"{prefix}{key}"
        if name in INDIFFERENT:
            continue
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def text(value: Any) -> str:
    """A value as one writes it: `1` of 1.0, `true` of True, `null` of None, `[0.9,0.99]`."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return f"{value:.12g}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{text(key)}:{text(each)}' for key, each in value.items())}}}"
    return value.text if isinstance(value, QuotedString) else str(value)


def read(written: str) -> str:
    """The same of what a command line has: `0.1` of `0.10` and of `1e-1`."""
    try:
        value = OverridesParser.create().parse_override(f"key={written}").value()
    except HydraException:
        return written
    return written if isinstance(value, Sweep) else text(value)


def refuse_other(
    folder: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any], what: str = "sweep"
) -> None:
    """Refuse to go on with what was begun under another configuration: conf/ may have changed.

    Raises:
        ConfigError: What it was and what it is now.
    """
    stored, wanted = flat(theirs), flat(ours)
    for name in dict.fromkeys([*wanted, *stored]):
        if stored.get(name) != wanted.get(name):
            raise ConfigError(
                f"{folder} was begun with {name}={stored.get(name)}; now it is "
                f"{wanted.get(name)}. A new {what} is needed."
            )
