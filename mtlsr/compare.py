"""Say which of two results is better, and how sure that is: python -m mtlsr.compare a=... b=...

    python -m mtlsr.compare a=<results folder> b=<results folder>
    python -m mtlsr.compare 'results=[<folder>,<folder>,<folder>]' 'metrics=[psnr_y]'
    python -m mtlsr.compare results=<folder> 'methods=[mtlsr,bicubic]' output=<folder>

A results folder is what `mtlsr.train` and `mtlsr.evaluate` leave. The methods are compared image by
image: the mean difference with its bootstrap interval, and Wilcoxon's signed-rank test.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from mtlsr.runs.pairwise.differences import Difference

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> list[Difference]:
    """Compare what `cfg` names, say it, and return it.

    Raises:
        UserError, OSError: Results that cannot be read or do not go together.
    """
    from rich.console import Console

    from mtlsr.runs.pairwise import words
    from mtlsr.runs.pairwise.differences import differences, undecided
    from mtlsr.runs.pairwise.selection import select

    selection = select(cfg)
    found = differences(selection)
    notes = [*selection.notes, *undecided(found)]
    title = f"Protocol {selection.protocol.hash}"
    if cfg.output is not None:
        folder = Path(cfg.output)
        folder.mkdir(parents=True, exist_ok=True)
        words.write(folder, found, notes, title)
    Console().print(words.rich_table(found, title))
    for each in found:
        print(words.sentence(each), f"  {words.extremes(each)}", sep="\n")
    print(*notes, words.CAPTION, sep="\n")
    return found


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be compared, before anything is written.

    Raises:
        UserError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.runs.pairwise.selection import select
    from mtlsr.runs.schema import ConfigError

    select(cfg)
    if cfg.output is not None and Path(cfg.output).is_file():
        raise ConfigError(f"output is {cfg.output!r}, which is a file; a folder is needed.")


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("compare", run, check)


if __name__ == "__main__":
    main()
