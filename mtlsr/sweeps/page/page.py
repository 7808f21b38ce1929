"""report.html: what goes where on the page."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mtlsr.files import replacing
from mtlsr.metrics.table import Measure
from mtlsr.runs.pairwise.words import rounded
from mtlsr.runs.training import MONITORED
from mtlsr.sweeps import details
from mtlsr.sweeps.leaderboard import Leaderboard
from mtlsr.sweeps.page import figures, search
from mtlsr.sweeps.page.crops import photographs
from mtlsr.sweeps.page.style import colours
from mtlsr.sweeps.statistics import Board, Score
from mtlsr.sweeps.words import CAPTION, answers, called, duration, mean_text, remarks, short

NAME = "report.html"

TALL = 450
"""Height in pixels above which a figure takes a line of its own."""

LAST_LINES = 12
"""Of what a failed job said."""


@dataclass(frozen=True)
class Cell:
    """Of a table that the reader sorts."""

    text: str
    key: float | str | None = None
    """What it is sorted by; None = its text."""
    more: str = ""
    """A smaller second line."""
    kind: str = ""
    """Class of its style: number, better, worse, same."""


@dataclass(frozen=True)
class Row:
    """Of a leaderboard."""

    cells: list[Cell]
    colour: str = ""
    kind: str = ""
    """Class of its style: baseline, beside, unmeasured."""


@dataclass(frozen=True)
class Figure:
    """A figure with its words."""

    title: str
    note: str
    json: Markup
    wide: bool = False
    """Whether it takes a line of its own."""
    panels: bool = False
    """Whether it has several side by side, which scroll where they have no room."""


@dataclass
class Section:
    """A data set's leaderboard and figures."""

    title: str
    heads: list[str]
    rows: list[Row]
    answers: list[str]
    figures: list[Figure] = field(default_factory=list)


def write(folder: Path, found: Leaderboard) -> Path:
    """Write report.html, which needs no other file and no network."""
    environment = Environment(
        loader=PackageLoader("mtlsr.sweeps", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = files("mtlsr.sweeps.page")
    parts = {name: Markup((own / name).read_text("utf-8")) for name in ("page.css", "page.js")}
    html = environment.get_template("page.html").render(
        css=parts["page.css"],
        js=parts["page.js"],
        plotly=Markup(get_plotlyjs().replace("</script", "<\\/script")),
        **_content(found),
    )
    path = folder / NAME
    with replacing(path) as file:
        file.write(html)
    return path


def _content(found: Leaderboard) -> dict[str, Any]:
    labels = _labels(found)
    curves = {str(job.folder): details.logged(job) for job in found.jobs}
    crops = photographs(found.variants, labels)
    states = [job.status for job in found.jobs]
    sweeps = list(dict.fromkeys(job.sweep for job in found.jobs))
    started = min(
        (job.manifest["started"] for job in found.jobs if "started" in job.manifest), default=""
    )
    return {
        "title": ", ".join(dict.fromkeys(job.within for job in found.jobs)),
        "counts": {state: states.count(state) for state in dict.fromkeys(states)},
        "started": started[:16].replace("T", " "),
        "commits": sorted(
            {str(j.manifest["commit"])[:10] for j in found.jobs if j.manifest.get("commit")}
        ),
        "baseline": labels[found.baseline.name],
        "caption": CAPTION,
        "sections": [
            _section(found, board, labels, title)
            for board, title in zip(found.boards, _titles(found.boards), strict=True)
        ],
        "failed": [
            {
                "name": called(job, found),
                "overrides": " ".join(job.overrides),
                "why": job.failure,
                "lines": "\n".join((job.error or job.failure).strip().splitlines()[-LAST_LINES:]),
            }
            for job in found.failed
        ],
        "remarks": [line for line in remarks(found) if " failed: " not in line],
        "training": list(_training(found, curves, labels)),
        "terms": list(_terms(found, curves, labels)),
        "search": [_figure(*each) for each in search.drawn(sweeps)],
        "photographs": crops,
        "photographs_json": _json([asdict(photograph) for photograph in crops]),
    }


def _labels(found: Leaderboard) -> dict[str, str]:
    """Variants by the last words of their keys."""
    names = short(list(found.baseline.values))
    return {
        variant.name: ", ".join(
            f"{name} {value}" for name, value in zip(names, variant.values.values(), strict=True)
        )
        or variant.name
        for variant in found.variants
    }


def _titles(boards: Sequence[Board]) -> list[str]:
    """Data sets with their images; with the protocol where several would be called the same."""
    plain = [f"{each.dataset} · {each.images} image{'s' * (each.images > 1)}" for each in boards]
    return [
        title if plain.count(title) == 1 else f"{title} · {board.protocol.hash}"
        for title, board in zip(plain, boards, strict=True)
    ]


def _section(found: Leaderboard, board: Board, labels: dict[str, str], called: str) -> Section:
    keys = list(found.baseline.values)
    heads = [*(short(keys) or ["variant"]), "seeds"]
    for measure in board.measures:
        heads += [measure.heading, "difference"]
    section = Section(
        called,
        [*heads, "time"],
        list(_rows(found, board)),
        answers(board),
    )
    title = board.measures[0].title
    drawn = figures.differences(found, board, labels)
    if drawn.data:
        section.figures.append(
            _figure(
                f"{title}: difference to the baseline",
                "Bars are 95 % intervals over images and seeds; one that crosses the dotted line "
                "cannot be told from the baseline.",
                drawn,
            )
        )
    for key in keys:
        if (curve := figures.responses(found, board, key)) is not None:
            note = "Difference to the baseline with its 95 % interval."
            section.figures.append(_figure(f"{title} against {key}", note, curve))
    judged = details.distances(found, board.dataset)
    if (front := figures.pareto(found, board, judged, labels)) is not None:
        note = (
            "Up and to the left is better: closer to the original in pixels and in texture. "
            "Stage 1 judges, and only variants with the baseline's are shown. "
            "No other one beats those on the dotted line."
        )
        section.figures.append(_figure("Quality against perception", note, front))
    return section


def _rows(found: Leaderboard, board: Board) -> Iterator[Row]:
    by_name = {variant.name: variant for variant in found.variants}
    tints = colours(found.variants)
    unmeasured = [name for name in by_name if name not in board.scores]
    for name in [*board.ranked(), *unmeasured]:
        variant, own = by_name[name], board.scores.get(name, {})
        cells = [_value(value) for value in variant.values.values()] or [Cell(name)]
        cells.append(Cell(str(board.seeds(name)), board.seeds(name), kind="number"))
        for measure in board.measures:
            cells += _score(measure, own.get(measure.name), variant is found.baseline)
        state = "" if variant.status == "done" else variant.status
        cells.append(Cell(duration(variant.seconds), variant.seconds or "", state, "number"))
        kind = "baseline" if variant is found.baseline else "" if own else "unmeasured"
        yield Row(cells, tints[name], kind)
    for method, means in board.beside.items():
        cells = [Cell(method), *[Cell("")] * max(len(found.baseline.values) - 1, 0), Cell("")]
        for measure in board.measures:
            mean = means[measure.name]
            cells += [Cell(measure.text(mean), mean, kind="number"), Cell("")]
        yield Row([*cells, Cell("")], kind="beside")


def _value(text: str) -> Cell:
    try:
        return Cell(text, float(text), kind="number")
    except ValueError:
        return Cell(text)


def _score(measure: Measure, score: Score | None, is_baseline: bool) -> list[Cell]:
    if score is None:
        return [Cell(""), Cell("")]
    mean = Cell(mean_text(measure, score), score.mean, kind="number")
    if is_baseline:
        return [mean, Cell("baseline", 0.0, kind="number")]
    if score.difference is None:
        return [mean, Cell("cannot be compared")]
    difference, low, high = rounded(score.difference, measure.digits)
    kind = {"better": "better", "worse": "worse"}.get(score.verdict, "same")
    more = f"{low} to {high} · {score.verdict}"
    return [mean, Cell(difference, score.difference.mean, more, f"number {kind}")]


def _training(
    found: Leaderboard, curves: dict[str, dict[str, details.Curve]], labels: dict[str, str]
) -> Iterator[Figure]:
    said = {
        MONITORED["restoration"]: ("Validation, stage 2", "Held-out photographs.", "PSNR-Y, dB"),
        "restoration/loss": ("Loss, stage 2", "Weighted sum of all terms on batches.", "loss"),
        MONITORED["realism"]: ("Validation, stage 1", "Held-out patches.", "PSNR-RGB, dB"),
    }
    for column, (title, note, axis) in said.items():
        if (drawn := figures.training(found, curves, column, axis, labels)) is not None:
            yield _figure(title, f"{note} A line is a job.", drawn)


def _terms(
    found: Leaderboard, curves: dict[str, dict[str, details.Curve]], labels: dict[str, str]
) -> Iterator[Figure]:
    def rows(read: Any) -> dict[str, dict[str, float]]:
        values = {folder: read(own) for folder, own in curves.items()}
        means = {v.name: details.over_seeds(v, values) for v in found.variants if v.done}
        return {labels[name]: row for name, row in means.items() if row}

    late = f"Mean over the last {100 * (1 - details.SETTLED):.0f} % of stage 2, over seeds."
    if (drawn := figures.stacked(rows(details.shares))) is not None:
        yield _figure("Shares of the loss", late, drawn)
    if (drawn := figures.cosine_map(rows(details.cosines))) is not None:
        note = f"1: both pull the same way, −1: one undoes the other. {late}"
        yield _figure("Do the terms agree? Cosines of their gradients", note, drawn)


def _figure(title: str, note: str, drawn: go.Figure) -> Figure:
    panels = len(list(drawn.select_xaxes())) > 1
    return Figure(
        title, note, _json(json.loads(drawn.to_json())), drawn.layout.height > TALL, panels
    )


def _json(value: Any) -> Markup:
    """For a script element: nothing in it can end that."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))
