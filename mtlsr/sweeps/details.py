"""What a job logged while it trained, and what its terms came to."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence

from mtlsr.files import read_csv
from mtlsr.runs.terms import TERMS
from mtlsr.runs.tracking import METRICS
from mtlsr.sweeps.jobs import Job
from mtlsr.sweeps.leaderboard import Leaderboard
from mtlsr.sweeps.variants import Variant

JUDGE = "realism"
"""The term whose raw value, the Gram distance, stands for perception."""

POINTS = 300
"""Points of a curve, at the most: more cannot be seen."""

Curve = tuple[list[float], list[float]]
"""Steps and values."""

STAGE = "restoration/"
"""What the names of stage 2's values begin with."""

SETTLED = 0.75
"""Shares and cosines are means over what was logged after this share of the steps."""


def logged(job: Job) -> dict[str, Curve]:
    """Every value of metrics.csv by its name, against the step; empty of a job without one."""
    path = job.folder / METRICS
    if not path.is_file():
        return {}
    found: dict[str, Curve] = {}
    for row in read_csv(path):
        for name, text in row.items():
            if name != "step" and text and row["step"]:
                steps, values = found.setdefault(name, ([], []))
                steps.append(float(row["step"]))
                values.append(float(text))
    return found


def thinned(curve: Curve) -> Curve:
    """At most `POINTS` of its points, evenly spread, the last one among them."""
    steps, values = curve
    every = math.ceil(len(steps) / POINTS)
    kept = range((len(steps) - 1) % every, len(steps), every) if every > 1 else range(len(steps))
    return [steps[i] for i in kept], [values[i] for i in kept]


def settled(curve: Curve) -> float:
    """Mean of what was logged towards the end (see `SETTLED`)."""
    steps, values = curve
    last = [v for step, v in zip(steps, values, strict=True) if step >= SETTLED * steps[-1]]
    return statistics.fmean(last)


def shares(curves: Mapping[str, Curve]) -> dict[str, float]:
    """Term -> its share of stage 2's loss towards the end, 0 to 1."""
    ending = "/weighted"
    weighted = {
        name.removeprefix(STAGE).removesuffix(ending): abs(settled(curve))
        for name, curve in curves.items()
        if name.startswith(STAGE) and name.endswith(ending)
    }
    total = sum(weighted.values())
    return {term: value / total for term, value in weighted.items()} if total else {}


def cosines(curves: Mapping[str, Curve]) -> dict[str, float]:
    """Pair of terms -> cosine of their gradients towards the end of stage 2, -1 to 1."""
    opening = f"{STAGE}cosine/"
    return {
        name.removeprefix(opening): settled(curve)
        for name, curve in curves.items()
        if name.startswith(opening)
    }


def terms(job: Job) -> dict[str, dict[str, float]]:
    """Data set -> term -> its raw value on held-out photographs; empty of a job without any."""
    path = job.folder / TERMS
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def distances(found: Leaderboard, dataset: str) -> dict[str, float]:
    """Variant -> Gram distance on a data set, mean over seeds, the same ones of every variant.

    See `judged`: under another seed there is another judge, with a scale of its own.
    """
    measured = judged(found, dataset)
    common = set.intersection(*map(set, measured.values())) if measured else set()
    return {
        name: statistics.fmean(own[seed] for seed in sorted(common))
        for name, own in measured.items()
        if common
    }


def judged(found: Leaderboard, dataset: str) -> dict[str, dict[str, float]]:
    """Variant -> seed -> Gram distance on a data set.

    A stage 1 judges by what it has learnt, and another one by something else. So only what was
    trained beside the baseline's stage 1 of the same seed is there; and all, where none is on
    record.
    """
    judges = {seed: _judge(job) for seed, job in found.baseline.done.items()}
    measured = {
        variant.name: {
            seed: own[JUDGE]
            for seed, job in variant.done.items()
            if seed in judges and _judge(job) == judges[seed]
            if JUDGE in (own := terms(job).get(dataset, {}))
        }
        for variant in found.variants
    }
    return {name: own for name, own in measured.items() if own}


def _judge(job: Job) -> str | None:
    """Which stage 1 judged; None where it is not known, or there was none."""
    noted = job.manifest.get("stage1") or {}
    if "key" in noted:  # without one it is of two codes or machines: nobody else's
        return str(noted["key"] or job.folder)
    trains = "realism" in job.config.get("stages", ("realism",))
    given = job.config.get("stage1") or (None if trains else job.config.get("init"))
    return None if given is None else str(given)


def over_seeds(variant: Variant, found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean over a variant's jobs, value by value.

    Args:
        variant: Whose jobs.
        found: Job's folder -> name -> value.
    """
    rows: Sequence[Mapping[str, float]] = [
        found[str(job.folder)] for job in variant.done.values() if found.get(str(job.folder))
    ]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: statistics.fmean(row[name] for row in rows if name in row) for name in names}
