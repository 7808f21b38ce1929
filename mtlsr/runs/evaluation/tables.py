"""Results as tables: for the terminal, Markdown, LaTeX and CSV. The best of each column is bold."""

import csv
import io
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from mtlsr.files import replacing
from mtlsr.metrics.published import published
from mtlsr.metrics.table import Measure
from mtlsr.runs.evaluation.results import Results

LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)

Published = Mapping[str, Mapping[str, Mapping[str, float]]]
"""The literature's figures: data set -> method -> measure -> value."""


@dataclass(frozen=True)
class Line:
    """A row: one method on one data set."""

    dataset: str
    method: str
    cells: tuple[str, ...]
    """A measure each; empty where it is not known."""
    best: tuple[bool, ...]
    images: str
    published: bool = False


@dataclass(frozen=True)
class Sheet:
    """What every form of the table says."""

    title: str
    measures: tuple[Measure, ...]
    lines: tuple[Line, ...]
    remarks: tuple[str, ...]

    def sections(self) -> Iterator[tuple[str, list[Line]]]:
        """The rows of each data set."""
        for dataset in dict.fromkeys(line.dataset for line in self.lines):
            yield dataset, [line for line in self.lines if line.dataset == dataset]


def literature(scale: int) -> Published:
    """What the literature reports at a scale, by the preset of that name."""
    rows = published(scale)
    datasets = dict.fromkeys(dataset for row in rows for dataset in row.figures)
    return {name: {row.method: row.figures[name] for row in rows} for name in datasets}


def sheet(results: Results, stated: Published | None = None) -> Sheet:
    """The means of `results`, those of the literature below them, on the same data sets.

    Best is what was measured here, as far as the digits shown can tell; the literature's figures
    are of other programs and maybe other files, so they are shown and not ranked.
    """
    measures, lines = results.measures, []
    for dataset, methods in results.datasets.items():
        rounded = {
            method: tuple(each.text(scores[each.name]) for each in measures)
            for method, scores in methods.items()
        }
        columns = zip(*rounded.values(), strict=True)
        best = [_best(each, column) for each, column in zip(measures, columns, strict=True)]
        for method, cells in rounded.items():
            bold = tuple(cell == winner for cell, winner in zip(cells, best, strict=True))
            images = str(methods[method]["images"])
            lines.append(Line(dataset, method, cells, bold, images))
        for method, figures in (stated or {}).get(dataset, {}).items():
            cells = tuple(
                each.text(figures[each.name]) if each.name in figures else "" for each in measures
            )
            blank = (False,) * len(measures)
            lines.append(Line(dataset, method, cells, blank, "", published=True))
    remarks = results.remarks()
    if any(line.published for line in lines):
        remarks.append("* As published; shown beside, not ranked.")
    return Sheet(_title(results), measures, tuple(lines), tuple(remarks))


def rich_table(shown: Sheet) -> Table:
    """For the terminal."""
    table = Table(title=shown.title, caption=escape("\n".join(shown.remarks)) or None)
    table.add_column("data set", overflow="fold")
    table.add_column("method", overflow="fold")
    for title in (*(each.heading for each in shown.measures), "images"):
        table.add_column(title, justify="right", overflow="fold")
    for dataset, lines in shown.sections():
        for line in lines:
            cells = [
                f"[bold]{cell}[/bold]" if best else cell
                for cell, best in zip(line.cells, line.best, strict=True)
            ]
            style = "dim" if line.published else None
            words = escape(dataset), escape(_name(line))
            table.add_row(*words, *cells, line.images, style=style)
        table.add_section()
    return table


def markdown(shown: Sheet) -> str:
    """A row for each method and data set."""
    titles = ["data set", "method", *(each.heading for each in shown.measures), "images"]
    aligned = ["---", "---", *["---:"] * (len(shown.measures) + 1)]
    rows = [titles, aligned]
    for line in shown.lines:
        cells = [
            f"**{cell}**" if best else cell
            for cell, best in zip(line.cells, line.best, strict=True)
        ]
        rows.append([line.dataset, _name(line).replace("|", r"\|"), *cells, line.images])
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return "\n\n".join([f"{shown.title}.", table, *shown.remarks]) + "\n"


def latex(shown: Sheet) -> str:
    """As papers print it: a row for each method, a group of columns for each data set.

    It needs the package booktabs.
    """
    sections = dict(shown.sections())
    count = len(shown.measures)
    methods = dict.fromkeys((line.method, line.published) for line in shown.lines)
    groups, rules = [], []
    for index, dataset in enumerate(sections):
        first = 2 + index * count
        groups.append(rf"\multicolumn{{{count}}}{{c}}{{{_escaped(dataset)}}}")
        rules.append(rf"\cmidrule(lr){{{first}-{first + count - 1}}}")
    titles = [_latex_title(each) for each in shown.measures] * len(sections)
    lines = [
        *(f"% {line}" for line in (shown.title, *shown.remarks)),
        rf"\begin{{tabular}}{{l{'r' * count * len(sections)}}}",
        r"\toprule",
        rf" & {' & '.join(groups)} \\",
        " ".join(rules),
        rf"Method & {' & '.join(titles)} \\",
        r"\midrule",
    ]
    ruled = False
    for method, stated in methods:
        if stated and not ruled:
            lines.append(r"\midrule")
            ruled = True
        cells = [_escaped(method) + (r"\textsuperscript{*}" if stated else "")]
        for section in sections.values():
            cells += _latex_cells(section, method, stated, count)
        lines.append(rf"{' & '.join(cells)} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def comma_separated(shown: Sheet) -> str:
    """A row for each method and data set, for spreadsheets; the names of measures as keys."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [each.name for each in shown.measures]
    writer.writerow(["dataset", "method", "source", *names, "images"])
    for line in shown.lines:
        source = "published" if line.published else "measured"
        writer.writerow([line.dataset, line.method, source, *line.cells, line.images])
    return text.getvalue()


FORMATS: dict[str, Callable[[Sheet], str]] = {
    "table.md": markdown,
    "table.tex": latex,
    "table.csv": comma_separated,
}


def write_tables(folder: Path, shown: Sheet) -> None:
    """Write the table in each of `FORMATS`."""
    for name, form in FORMATS.items():
        with replacing(folder / name) as file:
            file.write(form(shown))


def _title(results: Results) -> str:
    protocol = results.protocol
    settings = [f"{key} {value}" for key, value in results.settings.items()]
    return ", ".join([f"×{protocol.scale}", f"protocol {protocol.hash}", *settings])


def _best(measure: Measure, column: Sequence[str]) -> str | None:
    """The best figure of a column as it is shown; None where there is nothing to rank."""
    numbers = [cell for cell in column if not math.isnan(float(cell))]
    choose = max if measure.higher_is_better else min
    return choose(numbers, key=float, default=None)


def _name(line: Line) -> str:
    return f"{line.method}*" if line.published else line.method


def _escaped(text: str) -> str:
    return text.translate(LATEX)


def _latex_title(measure: Measure) -> str:
    return _escaped(measure.title) + ("" if measure.higher_is_better else r" $\downarrow$")


def _latex_cells(section: Sequence[Line], method: str, published: bool, count: int) -> list[str]:
    for line in section:
        if (line.method, line.published) == (method, published):
            return [
                rf"\textbf{{{cell}}}" if best else cell or "--"
                for cell, best in zip(line.cells, line.best, strict=True)
            ]
    return ["--"] * count
