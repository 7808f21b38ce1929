"""The report of a sweep: on the terminal and in files."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from mtlsr.sweeps import tables
from mtlsr.sweeps.leaderboard import Leaderboard, leaderboard
from mtlsr.sweeps.page import page


def report(
    sweeps: Sequence[Path], baseline: str | None, metrics: Sequence[str], output: Path
) -> Leaderboard:
    """Read sweeps, print what they found out, and write it to a folder.

    Args:
        sweeps: Folders of sweeps; unfinished ones, too.
        baseline: See `mtlsr.sweeps.variants.find_baseline`.
        metrics: Names of measures; the first one ranks.
        output: Folder that takes sweep.csv and report.html.

    Raises:
        ConfigError: No sweep's folder, or an unknown baseline or measure.
    """
    found = leaderboard(sweeps, baseline, metrics)
    console = Console()
    tables.show(found, console)
    written = tables.write(output, found), page.write(output, found)
    said = f"Written: {' '.join(map(str, written))}"
    console.print(said, highlight=False, markup=False, soft_wrap=True)
    return found
