"""What the system says of its processes, where it has /proc."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def parents() -> dict[int, int]:
    """Process -> the one that started it, of all that have not ended; none without /proc."""
    return dict(_parents())


def _parents() -> Iterator[tuple[int, int]]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            stat = path.read_text(encoding="utf-8", errors="replace")
            # The name before it may hold anything.
            yield int(path.parent.name), int(stat.rpartition(")")[2].split()[1])
