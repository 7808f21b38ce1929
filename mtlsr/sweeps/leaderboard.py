"""What a sweep, or several together, found out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mtlsr.runs.names import told_apart
from mtlsr.runs.pairwise.selection import find_measures
from mtlsr.runs.schema import ConfigError
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
        ConfigError: No sweep's folder, one that is given twice, an unknown baseline or measure, or
            a measure that was not taken.
    """
    measures = find_measures(metrics)
    places = [sweep.resolve() for sweep in sweeps]
    if len(set(places)) < len(places):
        raise ConfigError(f"sweep has a folder twice: {', '.join(map(str, sweeps))}.")
    called = told_apart(places)
    jobs = [job for sweep, name in zip(sweeps, called, strict=True) for job in collect(sweep, name)]
    found = variants(jobs)
    compared = find_baseline(found, baseline)
    return Leaderboard(jobs, found, compared, boards(found, compared, measures))
