"""Means over seeds, and differences to the baseline with their intervals."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mtlsr.metrics.paired import Interval, paired_interval
from mtlsr.runs.pairwise.checks import SAME
from mtlsr.runs.pairwise.measures import Measure, for_mean
from mtlsr.runs.pairwise.recorded import INTERPOLATION, Scores
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
    protocol: str
    images: int
    measures: tuple[Measure, ...]
    scores: dict[str, dict[str, Score]]
    """Variant's name -> measure -> score."""
    beside: dict[str, Scores]
    """Interpolation -> measure -> mean: what no training has changed."""
    baseline: str | None
    """Name of the variant that is compared with; None if it was not measured here."""

    def ranked(self) -> list[str]:
        """Names of variants by the first measure, the best first."""
        first = self.measures[0]
        sign = -1 if first.higher_is_better else 1
        return sorted(self.scores, key=lambda name: sign * self.scores[name][first.name].mean)


def boards(found: Sequence[Variant], baseline: Variant, measures: Sequence[Measure]) -> list[Board]:
    """A board for each data set; several, where images or protocols of jobs differ."""
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
    figures = job.results.figures.get(dataset, {}) if job.results else {}
    return next((images for name, images in figures.items() if name not in INTERPOLATION), {})


def _datasets(job: Job) -> list[str]:
    """What a job's model was measured on."""
    names = list(job.results.figures) if job.results else []
    return [dataset for dataset in names if own_figures(job, dataset)]


def _alike(group: Jobs, job: Job, dataset: str) -> bool:
    """Whether a job was measured on a group's images: interpolation has the same figures then."""
    first = next(iter(next(iter(group.values())).values()))
    if own_figures(first, dataset).keys() != own_figures(job, dataset).keys():
        return False
    assert first.results is not None and job.results is not None  # they have figures
    if first.results.protocol != job.results.protocol:
        return False
    theirs, ours = first.results.figures[dataset], job.results.figures[dataset]
    return all(
        math.isclose(figure, ours[method][image].get(name, math.nan), rel_tol=0, abs_tol=SAME)
        for method in INTERPOLATION
        if method in theirs and method in ours
        for image, scores in theirs[method].items()
        for name, figure in scores.items()
    )


def _board(dataset: str, jobs: Jobs, baseline: str, measures: Sequence[Measure]) -> Board:
    figures = {
        name: {seed: own_figures(job, dataset) for seed, job in seeds.items()}
        for name, seeds in jobs.items()
    }
    every = [
        scores for seeds in figures.values() for own in seeds.values() for scores in own.values()
    ]
    shown = tuple(
        each
        for each in measures
        if all(math.isfinite(for_mean(each, scores.get(each.name, math.nan))) for scores in every)
    )
    theirs = figures.get(baseline)
    scores = {
        name: {m.name: _score(m, seeds, None if name == baseline else theirs) for m in shown}
        for name, seeds in figures.items()
    }
    first = next(iter(next(iter(jobs.values())).values()))
    results = first.results
    assert results is not None  # it has figures
    beside = {
        method: {m.name: _mean(m, images) for m in shown}
        for method, images in results.figures[dataset].items()
        if method in INTERPOLATION
    }
    return Board(
        dataset,
        results.protocol,
        len(own_figures(first, dataset)),
        shown,
        scores,
        beside,
        baseline if theirs else None,
    )


def _score(
    measure: Measure, seeds: Mapping[str, Images], baseline: Mapping[str, Images] | None
) -> Score:
    common = [seed for seed in seeds if seed in (baseline or {})]
    table = [
        [
            for_mean(measure, scores[measure.name])
            - for_mean(measure, (baseline or {})[seed][image][measure.name])
            for image, scores in seeds[seed].items()
        ]
        for seed in common
    ]
    enough = sum(map(len, table)) > 1
    return Score(
        {seed: _mean(measure, images) for seed, images in seeds.items()},
        paired_interval(table) if enough else None,
        len(common),
        measure.higher_is_better,
    )


def _mean(measure: Measure, images: Images) -> float:
    return math.fsum(for_mean(measure, each[measure.name]) for each in images.values()) / len(
        images
    )
