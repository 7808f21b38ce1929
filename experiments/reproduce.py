"""Run a study again and say which of its figures agree.

    python -m experiments.reproduce <study> [arguments of the study]

It runs in outputs/reproduced/<study>, on a copy of experiments/, and the study's own files stay as
they are. Give the arguments that the study's README names. What was stopped goes on. Exit code 0
where every figure is the same to the last digit.
"""

import json
import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments.common import call
from mtlsr.files import read_csv
from mtlsr.runs.manifest import CODE, describe
from mtlsr.runs.manifest import NAME as MANIFEST
from mtlsr.sweeps import settings

EXPERIMENTS = Path(__file__).parent
PLACE = Path("outputs") / "reproduced"
INDIFFERENT = ("sweep", "seconds")
"""Columns that differ between equal runs."""

LABELS = ("job", "seed", "seeds", "image", "images")
"""Columns of numbers that are no figures. What was swept (`loss.lambda2`) is none, either."""

Row = Mapping[str, str]


def reproduce(study: str, arguments: Sequence[str]) -> bool:
    """Run a study again and print what agrees; whether all does.

    Raises:
        SystemExit: There is no such study, it has no figures yet, it was begun on other code, or it
            fails.
    """
    before = sorted((EXPERIMENTS / study).glob("*.csv"))
    if not before:
        raise SystemExit(f"experiments/{study} has no figures to compare with.")
    place = PLACE / study
    _check_code(place)
    copy = place / "experiments"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(EXPERIMENTS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (copy / study).glob("*.csv"):
        path.unlink()
    sources = [str(place.resolve()), str(EXPERIMENTS.parent.resolve())]
    code = call(
        [sys.executable, "-m", f"experiments.{study}.study", *map(_absolute, arguments)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
    )
    if code:
        raise SystemExit(f"The study ended with exit code {code}.")
    same = True
    for path in before:
        said, agrees = compare(path, copy / study / path.name)
        print(f"{study}/{path.name}: {said}")
        same = same and agrees
    return same


def _check_code(place: Path) -> None:
    """Refuse to go on with what other code began: its jobs that are done would not run again."""
    now = describe({})
    for path in sorted(place.rglob(MANIFEST)):
        then = json.loads(path.read_text(encoding="utf-8"))
        if any(then.get(name) != now[name] for name in CODE):
            raise SystemExit(
                f"{path.parent} is of other code (commit {then.get('commit')}); delete {place} to "
                "run the study again."
            )


def compare(before: Path, after: Path) -> tuple[str, bool]:
    """What of a table agrees, in words, and whether all of it does."""
    if not after.is_file():
        return "was not written.", False
    old, new = _read(before), _read(after)
    if (then := set().union(*old)) != (now := set().union(*new)):
        return f"other columns: {', '.join(sorted(then ^ now))}.", False
    if len(old) != len(new):
        return f"other rows: {len(old)} then, {len(new)} now.", False
    for number, (a, b) in enumerate(zip(map(_labels, old), map(_labels, new), strict=True), 1):
        other = [f"{key} was {a[key]} and is {b[key]}" for key in a if a[key] != b[key]]
        if other:
            return f"row {number} is another one: {', '.join(other)}.", False
    pairs = [
        (column, float(value), float(other[column]))
        for row, other in zip(old, new, strict=True)
        for column, value in row.items()
        if _figure(column, value)
    ]
    apart = [
        (column, abs(a - b))
        for column, a, b in pairs
        if a != b and not (math.isnan(a) and math.isnan(b))
    ]
    said = f"{len(pairs) - len(apart)} of {len(pairs)} figures are the same to the last digit"
    if not apart:
        return f"{said}.", True
    largest: dict[str, float] = {}
    for column, gap in apart:
        largest[column] = max(largest.get(column, 0.0), gap)  # never NaN: it is not larger
    worst = ", ".join(f"{gap:.3g} ({column})" for column, gap in largest.items())
    return f"{said}; the others are at most so far apart: {worst}.", False


def _absolute(argument: str) -> str:
    """An argument that names a file or folder from here, as it has to be named from elsewhere.

    A value without a separator may as well be a choice or a number; it is a path if it stands
    alone, or where the configuration has one (`dataset.root=data`).
    """
    key, equals, value = argument.rpartition("=")
    path = Path(value).expanduser()
    named = "/" in value or (key.endswith("root") if key else not value.isdigit())
    try:
        there = bool(value) and named and path.exists()
    except OSError:  # too long for a name
        there = False
    return f"{key}{equals}{path.resolve()}" if there else argument


def _read(path: Path) -> list[dict[str, str]]:
    return [{k: v for k, v in row.items() if k not in INDIFFERENT} for row in read_csv(path)]


def _labels(row: Row) -> dict[str, str | None]:
    """What is no figure, in a form that can be compared (`1` of `1.0`); None where one is."""
    return {
        key: None if _figure(key, value) else settings.read(value) for key, value in row.items()
    }


def _figure(column: str, value: str) -> bool:
    return column not in LABELS and "." not in column and _number(value)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def main() -> None:
    """Serve the command line."""
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(2)
    sys.exit(0 if reproduce(sys.argv[1], sys.argv[2:]) else 1)


if __name__ == "__main__":
    main()
