"""Short names for results and models that lie in folders."""

from collections.abc import Sequence
from pathlib import Path

from mtlsr.data.interpolation import METHODS as KERNELS


def told_apart(paths: Sequence[Path]) -> list[str]:
    """The last parts of each path: as few as make all of them different, and none a kernel's."""
    for depth in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len({*KERNELS, *names}) == len(KERNELS) + len(names):
            return names
    return [str(path) for path in paths]
