"""What happens when somebody asks a command to stop."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mtlsr.runs.proc import parents
from mtlsr.runs.schema import ConfigError

INTERRUPTED = 128 + signal.SIGINT


class Interrupted(Exception):
    """The user or the system asked the run to stop, and it did, with all its work saved.

    Args:
        said: What to tell the user.
        number: The signal that asked; the exit code is 128 and this number, as shells have it.
    """

    def __init__(self, said: str, number: int = signal.SIGINT) -> None:
        super().__init__(said)
        self.number = number
        self.code = 128 + number


def ending_tidily() -> None:
    """Let what asks this process to end, end it like Ctrl-C: what is half-written is taken away."""

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    closed = getattr(signal, "SIGHUP", None)  # the terminal is; Windows has none
    if closed is not None and signal.getsignal(closed) != signal.SIG_IGN:  # not under nohup
        signal.signal(closed, end)


def side_by_side(settings: Any) -> bool:
    """Whether Hydra's settings let jobs run in several processes that are started from here.

    Raises:
        ConfigError: In no process at all.
    """
    if not str(settings.launcher["_target_"]).endswith("JoblibLauncher"):
        return False
    if settings.launcher.n_jobs == 0:
        raise ConfigError(
            "hydra.launcher.n_jobs is 0; it must be a number of jobs, or -1: as many as cores."
        )
    return True


@contextmanager
def patient(codes: list[int]) -> Iterator[None]:
    """Around jobs side by side: let them end in their way when somebody asks for it.

    A first Ctrl-C reaches them, too; what the system asks of this process alone is passed on.

    Args:
        codes: Takes the exit code.
    """

    def wait(number: int, frame: object) -> None:
        if number == signal.SIGINT and INTERRUPTED in codes:
            raise KeyboardInterrupt
        codes.append(128 + number)
        said = "The jobs finish their step and write their checkpoint; Ctrl-C again ends them now."
        print(said, file=sys.stderr, flush=True)
        if number != signal.SIGINT:
            for pid, parent in parents().items():
                if parent == os.getpid():
                    with suppress(ProcessLookupError):  # it has just ended
                        os.kill(pid, number)

    before = {number: signal.signal(number, wait) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except Exception:  # of a worker that had no job yet, and ended at once
        if not codes:
            raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_when_asked() -> None:
    """In a process for jobs side by side: SIGTERM ends it after its job, not in the middle."""
    signal.signal(signal.SIGTERM, lambda number, frame: ask_to_stop())


_asked: list[bool] = []
"""Not empty in a process whose job was asked to stop."""


def ask_to_stop() -> None:
    """Begin no other job in this process."""
    _asked.append(True)


def asked_to_stop() -> bool:
    """Whether no other job is to begin in this process."""
    return bool(_asked)
