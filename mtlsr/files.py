"""Files that are written completely or not at all, and are on the disk when that is said."""

import csv
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

UNFINISHED = ".*.tmp"
"""What a file is called until it is complete; whoever is killed leaves it behind."""


@contextmanager
def replacing(path: Path, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a file beside `path`; it takes the place of `path` when the block succeeds.

    On failure nothing is left of it, and what `path` was stays. Text unless `binary`.
    """
    # Short: beside `path` there may be no room for a name that is longer.
    unfinished = path.with_name(f".{uuid.uuid4().hex[:8]}.tmp")
    text: dict[str, Any] = {} if binary else {"newline": "", "encoding": "utf-8"}
    try:
        with unfinished.open("w+b" if binary else "w", **text) as file:
            yield file
            sync(file)
        os.replace(unfinished, path)
        sync_folder(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON."""
    with replacing(path) as file:
        json.dump(value, file, indent=2)
        file.write("\n")


def write_csv(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None
) -> None:
    """Write a table with a line of heads; where a row has nothing, the cell stays empty.

    Args:
        path: Where to.
        rows: Column -> value.
        columns: All of them, in their order; None: those of the rows.
    """
    heads = list(dict.fromkeys(key for row in rows for key in row)) if columns is None else columns
    with replacing(path) as file:
        writer = csv.DictWriter(file, heads)
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table with a line of heads; empty cells are empty texts."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def link(path: Path, other: Path) -> None:
    """Give a file a second name, in place of what had that name.

    The two share their bytes until one of them is replaced; a file system without hard links gets
    a copy.
    """
    if other.exists() and other.samefile(path):
        return
    unfinished = other.with_name(f".{uuid.uuid4().hex[:8]}.tmp")
    try:
        os.link(path, unfinished)
    except OSError:
        with replacing(other, binary=True) as file:
            file.write(path.read_bytes())
    else:
        os.replace(unfinished, other)


def nearest(path: Path) -> Path:
    """A path itself where it is there, else the first folder above it that is."""
    while not path.exists() and path != path.parent:  # a disk that is not there is its own parent
        path = path.parent
    return path


def sync(file: IO[Any]) -> None:
    """Wait until what was written is on the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names of a folder's files are on the disk, where the system can say so."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left unfinished anywhere below a folder."""
    for path in list(folder.rglob(UNFINISHED)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
