"""Waiting for other processes."""

import time
from pathlib import Path


def waits_for(path: Path) -> None:
    """Return when there is such a file; fail when there is none after a while."""
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, f"{path} never came"
        time.sleep(0.005)
