"""One evaluation on several processes, as torchrun starts them: each has a share of the images."""

import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from torch import distributed

from mtlsr.errors import UserError
from mtlsr.objective.ranks import leave_group

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""How long a process that is done waits for the slowest."""


@dataclass(frozen=True)
class Processes:
    """This process among the others."""

    rank: int = 0
    world: int = 1

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Those of the items that are this process's; each belongs to one process only."""
        return items[self.rank :: self.world]

    def gathered(self, work: Callable[[], T]) -> list[T]:
        """Do this process's work; return what all of them made of theirs, in order of rank.

        Raises:
            Exception: The first one that was raised in any of them; in the first process, while the
                others exit with code 1 in silence.
        """
        if self.world == 1:
            return [work()]
        made: list[Any] = [None] * self.world
        distributed.all_gather_object(made, self._outcome(work))
        for each in made:
            if isinstance(each, Exception):
                raise each if self.rank == 0 else SystemExit(1)
        return made

    def _outcome(self, work: Callable[[], T]) -> T | Exception:
        try:
            return work()
        except (UserError, OSError) as error:
            return error
        except Exception:  # others may not survive the way to another process
            return RuntimeError(f"process {self.rank} failed:\n{traceback.format_exc()}")


ALONE = Processes()


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun started, connected while the block runs; or this one alone."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    distributed.init_process_group("gloo", timeout=PATIENCE)
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        leave_group()
