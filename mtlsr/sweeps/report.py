"""The report of a sweep: on the terminal and in files."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mtlsr.sweeps.leaderboard import Leaderboard, leaderboard
from mtlsr.sweeps.tables import show, write


def report(
    sweeps: Sequence[Path], baseline: str | None, metrics: Sequence[str], output: Path
) -> Leaderboard:
    """Read sweeps, print what they found out, and write it to a folder.

    Args:
        sweeps: Folders of sweeps; unfinished ones, too.
        baseline: See `mtlsr.sweeps.variants.find_baseline`.
        metrics: Names of measures; the first one ranks.
        output: Folder that takes sweep.csv.

    Raises:
        ConfigError: No sweep's folder, or an unknown baseline or measure.
    """
    found = leaderboard(sweeps, baseline, metrics)
    console = Console()
    show(found, console)
    path = write(output, found)
    console.print(f"Written: {path}", highlight=False, markup=False, soft_wrap=True)
    return found
