"""Files that are written completely or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def replacing(path: Path) -> Iterator[IO[str]]:
    """Open a file beside `path` for text; it takes the place of `path` when the block succeeds.

    On failure nothing is left of it, and what `path` was stays.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            yield file
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write plain values as JSON."""
    with replacing(path) as file:
        json.dump(value, file, indent=2)
        file.write("\n")
