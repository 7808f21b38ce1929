"""What a sweep, or several together, found out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtlsr.runs.pairwise.selection import find_measures
from mtlsr.sweeps.jobs import Job, collect
from mtlsr.sweeps.statistics import Board, boards
from mtlsr.sweeps.variants import Variant, find_baseline, variants


@dataclass(frozen=True)
class Leaderboard:
    """All that a sweep, or several together, found out."""

    jobs: list[Job]
    variants: list[Variant]
    baseline: Variant
    boards: list[Board]

    @property
    def failed(self) -> list[Job]:
        """Jobs that did not come to their end by an error."""
        return [job for job in self.jobs if job.status == "failed"]

    @property
    def complete(self) -> bool:
        """Whether no job is left to be run."""
        return all(job.status in ("done", "pruned") for job in self.jobs)


def leaderboard(
    sweeps: Sequence[Path], baseline: str | None, metrics: Sequence[str]
) -> Leaderboard:
    """Read sweeps and compare their jobs.

    Args:
        sweeps: Folders.
        baseline: See `find_baseline`.
        metrics: Names of measures; the first one ranks.

    Raises:
        ConfigError: No sweep's folder, or an unknown baseline or measure.
    """
    measures = find_measures(metrics)
    jobs = [job for sweep in sweeps for job in collect(sweep)]
    found = variants(jobs)
    compared = find_baseline(found, baseline)
    return Leaderboard(jobs, found, compared, boards(found, compared, measures))
