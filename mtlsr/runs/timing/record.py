"""What a measurement leaves: benchmark.json and a line of history; and two of them side by side."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table

from mtlsr.files import write_json
from mtlsr.runs.manifest import commit, hardware
from mtlsr.runs.schema import ConfigError
from mtlsr.runs.timing.common import Figure

NAME = "benchmark.json"

Parts = Mapping[str, Mapping[str, Figure]]
"""Figures by part and name."""


def write(folder: Path, history: Path | None, parts: Parts) -> None:
    """Write benchmark.json, and the same with time and commit as one more line of `history`.

    Args:
        folder: The run's folder.
        history: A file of one JSON object a line; it is made where there is none. None writes none.
        parts: What was measured.
    """
    record = {
        "machine": hardware(),
        "parts": {
            part: {name: figure.as_dict() for name, figure in figures.items()}
            for part, figures in parts.items()
        },
    }
    write_json(folder / NAME, record)
    if history is not None:
        measured = {"time": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}
        history.parent.mkdir(parents=True, exist_ok=True)
        with history.open("a", encoding="utf-8") as file:
            file.write(json.dumps(measured | record) + "\n")


def read(path: str | Path, key: str) -> Parts:
    """The figures of a benchmark.json, or of a folder that holds one.

    Args:
        path: The file or folder.
        key: What names it in the configuration.

    Raises:
        ConfigError: It is no such file.
    """
    file = Path(path)
    file = file / NAME if file.is_dir() else file
    try:
        parts = json.loads(file.read_text(encoding="utf-8"))["parts"]
        return {
            part: {name: Figure(**figure) for name, figure in figures.items()}
            for part, figures in parts.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{key} is {str(path)!r}, which is no {NAME} of python -m mtlsr.benchmark."
        ) from error


def comparison(base: Parts, now: Parts) -> Table:
    """Both values and ratios of every name, and how many times the value is that of `base`.

    Values of two machines say little beside each other; ratios, each measured within one run, do.
    """
    shown = Table("part", "name", "unit", "base", "now", "now / base", "ratio then", "ratio now")
    for part in dict.fromkeys([*base, *now]):
        before, after = base.get(part, {}), now.get(part, {})
        for name in dict.fromkeys([*before, *after]):
            then, current = before.get(name), after.get(name)
            times = ""
            if then and current and then.unit == current.unit and then.value:
                times = f"{current.value / then.value:.3f}"
            known = then or current
            shown.add_row(
                part,
                name,
                known.unit if known else "",
                *("" if figure is None else f"{figure.value:.2f}" for figure in (then, current)),
                times,
                *("" if figure is None else f"{figure.ratio:.3f}" for figure in (then, current)),
            )
    return shown
