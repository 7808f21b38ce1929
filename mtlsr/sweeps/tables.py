"""A leaderboard as a table for the terminal and as sweep.csv."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mtlsr.files import write_csv
from mtlsr.metrics.table import Measure
from mtlsr.runs.pairwise.words import rounded
from mtlsr.sweeps.leaderboard import Leaderboard
from mtlsr.sweeps.statistics import Board, Score
from mtlsr.sweeps.variants import SEED, Variant
from mtlsr.sweeps.words import CAPTION, answers, duration, mean_text, remarks, short

NAME = "sweep.csv"

UNBOUNDED = 10_000
"""Wider than any table, in characters."""


def show(found: Leaderboard, console: Console) -> None:
    """Print tables, answers and what is missing."""
    for board in found.boards:
        console.print(_fitting(found, board, console), crop=False)
    if found.boards:
        console.print(CAPTION, highlight=False, style="dim")
    said = [line for board in found.boards for line in answers(board)]
    for line in [*said, *remarks(found)]:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def write(folder: Path, found: Leaderboard) -> Path:
    """Write sweep.csv: a row a job, data set and measure, and the variant's figures beside it."""
    path = folder / NAME
    write_csv(path, list(_rows(found)))
    return path


def _fitting(found: Leaderboard, board: Board, console: Console) -> Table:
    """A table as wide as it has to be; a narrow one, where a terminal has no room for that."""
    table = _table(found, board)
    unbounded = console.options.update(max_width=UNBOUNDED)
    width = console.measure(table, options=unbounded).maximum
    if width > console.width:
        if console.is_terminal:
            return _table(found, board, narrow=True)
        table.width = width  # a file takes lines of any length
    return table


def _table(found: Leaderboard, board: Board, narrow: bool = False) -> Table:
    """A row a variant.

    Args:
        found: Whose variants.
        board: Whose figures.
        narrow: One column for all swept keys; verdicts and states stand below other figures.
    """
    keys = list(found.baseline.values)
    first, *others = board.measures
    title = f"{board.dataset}, {board.images} image{'s' * (board.images > 1)}"
    table = Table(
        title=f"{title}, protocol {board.protocol.hash}",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
        leading=int(narrow),
    )
    names = short(keys)
    whole = all(job.done for job in found.jobs)
    further = [each.heading for each in others]
    if narrow:
        table.add_column("variant", overflow="fold")
        for head in ("seeds", first.heading, "difference", *further, "time"):
            table.add_column(head, justify="right", overflow="fold")
    else:
        for key in names or [""]:
            table.add_column(escape(key))
        for head in ("seeds", first.heading, "difference"):
            table.add_column(head, justify="right", no_wrap=True)
        table.add_column("to baseline", min_width=15)
        for head in (*further, "time"):
            table.add_column(head, justify="right", no_wrap=True)
        if not whole:
            table.add_column("status")
    by_name = {variant.name: variant for variant in found.variants}
    unmeasured = [name for name in by_name if name not in board.scores]
    for name in [*board.ranked(), *unmeasured]:
        variant, own = by_name[name], board.scores.get(name, {})
        is_baseline = variant is found.baseline
        values = [variant.values[key] for key in keys]
        seeds, time = str(board.seeds(name)), duration(variant.seconds)
        mean, difference, verdict = (
            _cells(board, own[first.name], is_baseline) if own else ("", "", "")
        )
        rest = [each.text(own[each.name].mean) if own else "" for each in others]
        if narrow:
            settings = (f"{key}={value}" for key, value in zip(names, values, strict=True))
            status = "" if variant.status == "done" else variant.status
            cells = [_below(*settings) or name, seeds, mean, _below(difference, verdict)]
            cells += [*rest, _below(time, status)]
        else:
            cells = [*(values or [name]), seeds, mean, difference, verdict, *rest, time]
            cells += [] if whole else [variant.status]
        style = "bold" if is_baseline else None if own else "dim"
        table.add_row(*map(escape, cells), style=style)
    for method, means in board.beside.items():
        figures = [each.text(means[each.name]) for each in board.measures]
        if narrow:
            cells = [method, "", figures[0], "", *figures[1:]]
        else:
            cells = [method, *[""] * max(len(keys), 1), figures[0], "", "", *figures[1:]]
        table.add_row(*cells, style="dim")
    return table


def _below(*parts: str) -> str:
    """A line each, but for empty ones."""
    return "\n".join(filter(None, parts))


def _cells(board: Board, score: Score, is_baseline: bool) -> list[str]:
    """Mean in the first measure, difference with its interval below, verdict."""
    measure = board.measures[0]
    mean = mean_text(measure, score)
    if is_baseline:
        return [mean, "", "baseline"]
    if board.baseline is None:
        return [mean, "", "not measured here"]
    if score.difference is None:
        return [mean, "", "no common seed" if not score.seeds else "one image"]
    difference, low, high = rounded(score.difference, measure.digits)
    return [mean, f"{difference}\n{low} to {high}", score.verdict]


def _rows(found: Leaderboard) -> Iterator[dict[str, Any]]:
    for variant in found.variants:
        for job in variant.jobs:
            seed = job.value(SEED)
            head = {
                "sweep": job.within,
                "job": job.name,
                **variant.values,
                "seed": seed,
                "status": job.status,
                "seconds": round(job.seconds, 2),
                "failure": job.failure,
            }
            counted = variant.done.get(seed) is job
            measured = [
                (board, measure)
                for board in found.boards
                for measure in board.measures
                if counted and seed in _by_seed(board, variant, measure)
            ]
            if not measured:
                yield head
            for board, measure in measured:
                yield head | _figures(board, variant, measure, seed, variant is found.baseline)


def _by_seed(board: Board, variant: Variant, measure: Measure) -> dict[str, float]:
    own = board.scores.get(variant.name, {})
    return own[measure.name].by_seed if measure.name in own else {}


def _figures(
    board: Board, variant: Variant, measure: Measure, seed: str, is_baseline: bool
) -> dict[str, Any]:
    score = board.scores[variant.name][measure.name]
    interval = score.difference
    return {
        "measured_on": board.dataset,  # `dataset` may be what was swept
        "protocol": board.protocol.hash,
        "images": board.images,
        "measure": measure.name,
        "value": score.by_seed[seed],
        "seeds": len(score.by_seed),
        "mean": score.mean,
        "deviation": score.deviation,
        "difference": interval.mean if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "verdict": "baseline" if is_baseline else score.verdict,
    }
