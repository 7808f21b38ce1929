"""A sweep's answer in words."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mtlsr.metrics.table import Measure
from mtlsr.runs.manifest import CODE
from mtlsr.runs.pairwise.words import rounded
from mtlsr.runs.recorded import infinities
from mtlsr.sweeps.jobs import Job
from mtlsr.sweeps.leaderboard import Leaderboard
from mtlsr.sweeps.statistics import Board, Score, own_figures
from mtlsr.sweeps.variants import repeated

CAPTION = (
    "± is the standard deviation over seeds. Differences are to the baseline, on the same images "
    "and under the same seeds, with 95 % intervals over both, each on its own."
)


def answers(board: Board) -> list[str]:
    """What a data set says in each measure, a sentence each."""
    return [_answer(board, measure) + _unreached(board, measure) for measure in board.measures]


def remarks(found: Leaderboard) -> list[str]:
    """Which jobs are not in the figures and why, and what else a reader has to know."""
    said = [f"Job {called(job, found)} failed: {job.failure}" for job in found.failed]
    for status in ("pruned", "interrupted", "unfinished", "not started"):
        names = [called(job, found) for job in found.jobs if job.status == status]
        if names:
            said.append(f"{status.capitalize()}: job{'s' * (len(names) > 1)} {', '.join(names)}.")
    if not found.boards:
        said.append("No job has figures yet: there is nothing to rank.")
    said += repeated(found.variants)
    for board in found.boards:
        said += [
            f"{title} is left out: {', '.join(names)} has no figures of it on {board.dataset}."
            for title, names in board.lacking.items()
        ]
        said += _other_seeds(board)
        said += _infinite(found, board)
    codes = {json.dumps([p.get(name) for name in CODE]) for p in _parts(found)}
    commits = sorted({str(part.get("commit")) for part in _parts(found)})
    if len(commits) > 1:
        said.append(f"The jobs ran different code: commits {', '.join(commits)}.")
    elif len(codes) > 1:
        said.append(f"The jobs ran different code: commit {commits[0]} with different changes.")
    if len(hardware := machines(found)) > 1:
        said.append(f"The jobs ran on different hardware: {'; '.join(hardware)}.")
    return said


def machines(found: Leaderboard) -> list[str]:
    """What the jobs that are done ran on."""
    known = [part.get("hardware") for part in _parts(found)]
    return list(dict.fromkeys(_machine(hardware) for hardware in known if hardware))


def _parts(found: Leaderboard) -> list[Mapping[str, Any]]:
    """What each job that is done was made of; of one that went on elsewhere, every part."""
    done = [job.manifest for job in found.jobs if job.done]
    return [part for manifest in done for part in (*manifest.get("parts", []), manifest)]


def _machine(hardware: Mapping[str, Any]) -> str:
    threads = hardware["threads"]
    processor = f"{hardware['cpu']} ({hardware['capability']})"
    return ", ".join([processor, f"{threads} thread{'s' * (threads > 1)}", *hardware["gpus"]])


def called(job: Job, found: Leaderboard) -> str:
    """A job's name; that of its sweep before it, where there are several."""
    several = len({each.sweep for each in found.jobs}) > 1
    return f"{job.within}/{job.name}" if several else job.name


def _other_seeds(board: Board) -> list[str]:
    """That means are not over the same seeds, where it is so."""
    first = board.measures[0].name
    seeds = {name: tuple(scores[first].by_seed) for name, scores in board.scores.items()}
    if len({frozenset(own) for own in seeds.values()}) == 1:
        return []
    own = "; ".join(f"{name} under {', '.join(each)}" for name, each in seeds.items())
    return [
        f"Means on {board.dataset} are over different seeds ({own}); differences to the baseline "
        "are over those that both have."
    ]


def _infinite(found: Leaderboard, board: Board) -> list[str]:
    """That jobs made an image without any difference, where it is so."""
    return [
        sentence
        for variant in found.variants
        for job in variant.done.values()
        if board.seeds(variant.name) and (figures := own_figures(job, board.dataset))
        for sentence in infinities(
            f"Job {called(job, found)}",
            board.dataset,
            figures.values(),
            board.measures,
            board.protocol.ceiling,
        )
    ]


def mean_text(measure: Measure, score: Score) -> str:
    """`28.42 ± 0.03`."""
    mean = measure.text(score.mean)
    spread = score.deviation
    return mean if spread is None else f"{mean} ± {measure.text(spread)}"


def duration(seconds: float | None) -> str:
    """`1:02:03`, `2:03`; "" of None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def short(keys: Sequence[str]) -> list[str]:
    """Keys by their last words, where that tells them apart."""
    last = [key.rpartition(".")[2] for key in keys]
    return [a if last.count(a) == 1 else key for a, key in zip(last, keys, strict=True)]


def _answer(board: Board, measure: Measure) -> str:
    scores = {name: own[measure.name] for name, own in board.scores.items()}
    best = max(scores, key=lambda name: measure.sign * scores[name].mean)
    reached = f"{mean_text(measure, scores[best])}{measure.suffix}"
    opening = f"{board.dataset}, {measure.title}: {best}"
    if len(scores) == 1:
        return f"{opening} alone has figures: {reached}."
    opening += f" is highest, {reached}" if measure.higher_is_better else f" is lowest, {reached}"
    if board.baseline is None:
        return f"{opening}; the baseline has no figures to compare it with."
    if best == board.baseline:
        return f"{opening}; it is the baseline{_others(scores, best)}."
    if (interval := scores[best].difference) is None:
        return f"{opening}; it cannot be compared with the baseline {board.baseline}."
    mean, low, high = rounded(interval, measure.digits)
    verdict = {"better": "better than", "worse": "under the seeds that both have worse than"}.get(
        scores[best].verdict, "not distinguishable from"
    )
    gain = f"{mean}{measure.suffix}, 95 % interval {low} to {high}"
    return f"{opening}; {verdict} the baseline {board.baseline} ({gain})."


def _unreached(board: Board, measure: Measure) -> str:
    """That interpolation is better than every variant, where it is so."""
    ours = max(measure.sign * own[measure.name].mean for own in board.scores.values())
    found = {method: means[measure.name] for method, means in board.beside.items()}
    better = [method for method, mean in found.items() if measure.sign * mean > ours]
    if not better:
        return ""
    names = (f"{method}, {measure.text(found[method])}{measure.suffix}" for method in better)
    return f" No variant reaches {'; '.join(names)}."


def _others(scores: Mapping[str, Score], baseline: str) -> str:
    """Which variants are worse than the baseline, and which cannot be told from it.

    Under the seeds that both have, one may even be better than what has the highest mean.
    """
    found: list[str] = []
    for verdict in ("better", "worse", "not distinguishable"):
        names = [n for n, score in scores.items() if n != baseline and score.verdict == verdict]
        if names:
            shared = " under the seeds that both have" if verdict == "better" else ""
            found.append(f"{verdict}{shared}: {', '.join(names)}")
    return "".join(f"; {each}" for each in found)
