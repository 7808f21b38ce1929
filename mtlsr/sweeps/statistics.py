"""Means over seeds, and differences to the baseline with their intervals."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtlsr.data.interpolation import METHODS as KERNELS
from mtlsr.metrics.paired import Interval, paired_interval
from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.table import Measure
from mtlsr.runs.pairwise.checks import SAME
from mtlsr.runs.recorded import Scores
from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.jobs import Job
from mtlsr.sweeps.variants import Variant

Images = Mapping[str, Scores]
"""Image -> figures."""

Jobs = dict[str, dict[str, Job]]
"""Variant's name -> seed -> job."""


@dataclass(frozen=True)
class Score:
    """What a variant reaches in one measure on one data set."""

    by_seed: dict[str, float]
    """Seed -> mean over images."""
    difference: Interval | None
    """To the baseline on the same images under the same seeds, 95 %; None of the baseline itself,
    without a common seed, or of one seed and one image."""
    seeds: int
    """Seeds in `difference`."""
    higher_is_better: bool

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.by_seed.values())

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds (n - 1); None of one seed."""
        values = list(self.by_seed.values())
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def verdict(self) -> str:
        """better, worse or not distinguishable; "" where that cannot be asked."""
        if self.difference is None:
            return ""
        if not self.difference.excludes_zero:
            return "not distinguishable"
        return "better" if (self.difference.mean > 0) == self.higher_is_better else "worse"


@dataclass(frozen=True)
class Board:
    """What was measured on the same images under the same protocol, and so may be ranked."""

    dataset: str
    protocol: Protocol
    images: int
    measures: tuple[Measure, ...]
    scores: dict[str, dict[str, Score]]
    """Variant's name -> measure -> score."""
    beside: dict[str, Scores]
    """Interpolation -> measure -> mean: what no training has changed."""
    baseline: str | None
    """Name of the variant that is compared with; None if it was not measured here."""
    lacking: dict[str, list[str]]
    """Title of a measure that is left out -> the variants that have no figures of it."""

    def seeds(self, name: str) -> int:
        """How many seeds a variant's means are over; 0 of one that was not measured here."""
        own = self.scores.get(name)
        return len(own[self.measures[0].name].by_seed) if own else 0

    def ranked(self) -> list[str]:
        """Names of variants by the first measure, the best first."""
        first = self.measures[0]
        means = {name: own[first.name].mean for name, own in self.scores.items()}
        return sorted(means, key=lambda name: -first.sign * means[name])


def boards(found: Sequence[Variant], baseline: Variant, measures: Sequence[Measure]) -> list[Board]:
    """A board for each data set; several, where images or protocols of jobs differ.

    Raises:
        ConfigError: A data set was measured by none of the measures in all its variants.
    """
    groups: list[tuple[str, Jobs]] = []
    for variant in found:
        for seed, job in variant.done.items():
            for dataset in _datasets(job):
                group = next(
                    (g for name, g in groups if name == dataset and _alike(g, job, name)), {}
                )
                if not group:
                    groups.append((dataset, group))
                group.setdefault(variant.name, {})[seed] = job
    return [_board(dataset, group, baseline.name, measures) for dataset, group in groups]


def own_figures(job: Job, dataset: str) -> Images:
    """What a job's model reaches on a data set; empty where it was not measured."""
    return job.results.own(dataset) if job.results else {}


def _datasets(job: Job) -> list[str]:
    """What a job's model was measured on."""
    names = list(job.results.figures) if job.results else []
    return [dataset for dataset in names if own_figures(job, dataset)]


def _alike(group: Jobs, job: Job, dataset: str) -> bool:
    """Whether a job was measured on a group's images: interpolation has the same figures then.

    In what both measured; a measure that one of them lacks says nothing about the images.
    """
    first = next(iter(next(iter(group.values())).values()))
    if own_figures(first, dataset).keys() != own_figures(job, dataset).keys():
        return False
    assert first.results is not None and job.results is not None  # they have figures
    if first.results.protocol != job.results.protocol:
        return False
    theirs, ours = first.results.figures[dataset], job.results.figures[dataset]
    return all(
        _agree(figure, ours[method][image].get(name, math.nan))
        for method in KERNELS
        if method in theirs and method in ours
        for image, scores in theirs[method].items()
        for name, figure in scores.items()
    )


def _agree(figure: float, other: float) -> bool:
    """Whether two figures are the same, infinite ones, too; one that lacks (NaN) fits any."""
    lacks = math.isnan(figure) or math.isnan(other)
    return lacks or math.isclose(figure, other, rel_tol=0, abs_tol=SAME)


def _board(dataset: str, jobs: Jobs, baseline: str, measures: Sequence[Measure]) -> Board:
    first = next(iter(next(iter(jobs.values())).values()))
    results = first.results
    assert results is not None  # it has figures
    protocol = results.protocol
    shown, scores = [], {name: dict[str, Score]() for name in jobs}
    lacking: dict[str, list[str]] = {}
    for measure in measures:
        figures = {
            name: {
                seed: _counted(measure, own_figures(job, dataset), protocol)
                for seed, job in seeds.items()
            }
            for name, seeds in jobs.items()
        }
        without = [
            name
            for name, seeds in figures.items()
            if not all(math.isfinite(value) for own in seeds.values() for value in own.values())
        ]
        if without:
            lacking[measure.title] = without
            continue
        shown.append(measure)
        for name, seeds in figures.items():
            theirs = {} if name == baseline else figures.get(baseline, {})
            scores[name][measure.name] = _score(measure, seeds, theirs)
    if not shown:
        raise ConfigError(
            f"metrics is {[measure.name for measure in measures]}, which not all images of "
            f"{dataset} were measured by. All have {', '.join(_common(jobs, dataset)) or 'none'}."
        )
    beside = {
        method: {m.name: _mean(_counted(m, images, protocol)) for m in shown}
        for method, images in results.figures[dataset].items()
        if method in KERNELS
    }
    return Board(
        dataset,
        protocol,
        len(own_figures(first, dataset)),
        tuple(shown),
        scores,
        beside,
        baseline if baseline in jobs else None,
        lacking,
    )


def _common(jobs: Jobs, dataset: str) -> list[str]:
    """Names of the measures that every image of every job has a figure of."""
    images = [
        scores
        for seeds in jobs.values()
        for job in seeds.values()
        for scores in own_figures(job, dataset).values()
    ]
    return [name for name in images[0] if all(name in scores for scores in images)]


def _counted(measure: Measure, images: Images, protocol: Protocol) -> dict[str, float]:
    """Image -> figure as it enters a mean; NaN where it was not measured."""
    return {
        image: measure.for_mean(scores.get(measure.name, math.nan), protocol)
        for image, scores in images.items()
    }


def _score(
    measure: Measure,
    seeds: Mapping[str, Mapping[str, float]],
    baseline: Mapping[str, Mapping[str, float]],
) -> Score:
    common = [seed for seed in seeds if seed in baseline]
    table = [[value - baseline[seed][i] for i, value in seeds[seed].items()] for seed in common]
    enough = sum(map(len, table)) > 1
    return Score(
        {seed: _mean(images) for seed, images in seeds.items()},
        paired_interval(table) if enough else None,
        len(common),
        measure.higher_is_better,
    )


def _mean(figures: Mapping[str, float]) -> float:
    return math.fsum(figures.values()) / len(figures)
