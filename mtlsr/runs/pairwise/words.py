"""Differences in words, in a table and in files."""

import math
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from mtlsr.files import replacing, write_csv
from mtlsr.metrics.paired import Interval
from mtlsr.runs.pairwise.differences import SURE, Difference

HEADS = ("set", "metric", "first − second", "better", "mean", "95 % interval", "p")
WORDS = 3
"""Columns of words, at the left."""

CAPTION = (
    "p is Wilcoxon's. Intervals and p speak of these models on images like these: another training "
    "of the same model may differ by more."
)

FINEST = 8
"""Digits after the decimal point, at the most."""


def sentence(found: Difference) -> str:
    """Which is better, on how many images and by how much; or that it cannot be told."""
    first, second, images = found.first, found.second, len(found.figures)
    opening = f"{found.dataset}, {found.measure.title}: {first} "
    if found.equal == images:
        return f"{opening}and {second} are equal on all {images} images."
    if not found.interval.excludes_zero:
        verdict = f"and {second} are not distinguishable; {first} is better on {found.better}"
    elif (found.interval.mean > 0) == found.measure.higher_is_better:
        verdict = f"is better than {second} on {found.better}"
    else:
        verdict = f"is worse than {second} on {found.worse}"
    ties = f", equal on {found.equal}" if found.equal else ""
    mean, low, high = rounded(found.interval, found.measure.digits)
    lower = "" if found.measure.higher_is_better else " (lower is better)"
    doubt = ""
    if found.interval.excludes_zero and (found.corrected or 0) >= SURE:
        p = p_value(found.corrected)
        doubt = f"; not distinguishable by Wilcoxon's test after Holm's correction (p = {p})"
    return (
        f"{opening}{verdict} of {images} images{ties}; {mean}{found.measure.suffix}{lower}, "
        f"95 % interval {low} to {high}{doubt}."
    )


def extremes(found: Difference) -> str:
    """The images on which the first method gains least and most."""
    order = sorted(found.values.items(), key=lambda item: found.measure.sign * item[1])
    digits = _digits(found.interval, found.measure.digits)
    least, most = (f"{_signed(x, digits)} ({image})" for image, x in (order[0], order[-1]))
    return f"Image by image from {least} to {most}."


def p_value(p: float | None) -> str:
    """Two digits; nothing of none."""
    return "" if p is None else "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def rich_table(found: Sequence[Difference], title: str) -> Table:
    """For the terminal; what can be told apart is bold."""
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    heads, rows = _sheet(found)
    for number, head in enumerate(heads):
        words = number < WORDS
        table.add_column(head, justify="left" if words else "right", no_wrap=not words)
    for row, each, following in zip(rows, found, [*found[1:], None], strict=True):
        style = "bold" if each.interval.excludes_zero else None
        ends = following is None or following.dataset != each.dataset
        table.add_row(*map(escape, row), style=style, end_section=ends)
    return table


def write(folder: Path, found: Sequence[Difference], notes: Sequence[str], title: str) -> None:
    """Write the table and the sentences, the table's numbers, and every image's difference.

    They go to comparison.md, comparison.csv and differences.csv.
    """
    heads, rows = _sheet(found)
    with replacing(folder / "comparison.md") as file:
        for cells in (heads, ["---"] * len(heads), *rows):
            file.write("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
        for line in (f"{title}. {CAPTION}", *map(sentence, found), *notes):
            file.write(f"\n{line}\n")
    write_csv(folder / "comparison.csv", list(map(_numbers, found)))
    images = [
        {**_names(each), "image": image, "first_figure": a, "second_figure": b, "difference": a - b}
        for each in found
        for image, (a, b) in each.figures.items()
    ]
    write_csv(folder / "differences.csv", images)


def _sheet(found: Sequence[Difference]) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of the table."""
    several = any(each.corrected is not None for each in found)
    heads = [*HEADS, "Holm p"] if several else list(HEADS)
    rows = []
    for each in found:
        mean, low, high = rounded(each.interval, each.measure.digits)
        words = [each.dataset, each.measure.title, f"{each.first} − {each.second}"]
        share, p = f"{each.better}/{len(each.figures)}", p_value(each.p)
        rows.append([*words, share, mean, f"{low} to {high}", p, p_value(each.corrected)])
    return heads, [row[: len(heads)] for row in rows]


def _names(found: Difference) -> dict[str, str]:
    return {
        "dataset": found.dataset,
        "metric": found.measure.name,
        "first": found.first,
        "second": found.second,
    }


def _numbers(found: Difference) -> dict[str, object]:
    return {
        **_names(found),
        "images": len(found.figures),
        "better": found.better,
        "equal": found.equal,
        "worse": found.worse,
        "difference": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "p_wilcoxon": found.p,
        "p_holm": found.corrected,
    }


def rounded(interval: Interval, digits: int) -> list[str]:
    """Mean, low and high with at least so many digits, and more where they say something.

    Of a bound that is a little below zero -0.00: on which side it lies decides the verdict.
    """
    digits = _digits(interval, digits)
    bounds = (f"{bound:+.{digits}f}" for bound in (interval.low, interval.high))
    return [_signed(interval.mean, digits), *bounds]


def _digits(interval: Interval, digits: int) -> int:
    """As the measure has, more where the interval is narrower, or would seem to hold zero."""
    half = (interval.high - interval.low) / 2
    if half > 0:
        digits = max(digits, -math.floor(math.log10(half)))
    nearest = min(abs(interval.low), abs(interval.high)) if interval.excludes_zero else 1.0
    while digits < FINEST and round(nearest, digits) == 0:
        digits += 1
    return min(digits, FINEST)


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}"  # + 0.0 makes a negative zero positive
