"""What is known of a data set that is prepared, and how a person is told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mtlsr.data.datasets import Dataset
from mtlsr.data.images import ImageError
from mtlsr.data.inspection.decoding import Inspected
from mtlsr.data.inspection.verification import Report
from mtlsr.errors import UserError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
NAMED = 20
"""Unusable files and findings that the terminal shows; the files hold all."""


@dataclass
class Found:
    """What is known of the data set so far."""

    name: str
    files: Dataset
    """Usable files only."""
    good: dict[Split, list[Inspected]]
    bad: list[ImageError]
    root: Path | None
    """What the names in the manifest are relative to."""
    fingerprint: str = ""
    stored: Path | None = None
    manifest: Path | None = None
    report: Report | None = None
    report_file: Path | None = None
    sheet: Path | None = None
    remarks: list[str] = field(default_factory=list)

    def print(self) -> None:
        """Show a person what there is."""
        console = Console()
        table = Table(show_header=False, title=f"Data set {self.name}", title_justify="left")
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for split in SPLITS:
            if files := self.good[split]:
                size = sum(file.size for file in files) / 1e6
                pixels = sum(file.height * file.width for file in files) / 1e6
                text = f"{len(files)} images, {size:.1f} MB, {pixels:.1f} million pixels"
                table.add_row(split, text)
        table.add_row("unusable", str(len(self.bad)))
        if self.report is not None:
            counts = {kind: n for kind, n in self.report.counts().items() if n}
            said = ", ".join(f"{kind}: {n}" for kind, n in counts.items())
            table.add_row("verified", Text(said or "nothing to object to"))
        if self.fingerprint:
            table.add_row("fingerprint", self.fingerprint)
        table.add_row("licence", Text(_short(self.files.licence)))
        table.add_row("citation", Text(_short(self.files.citation)))
        for title, path in (
            ("store", self.stored),
            ("manifest", self.manifest),
            ("report", self.report_file),
            ("contact sheet", self.sheet),
        ):
            if path is not None:
                table.add_row(title, Text(shown(path)))
        console.print(table)
        for title, lines in (
            ("Unusable files", [str(error) for error in self.bad]),
            ("Findings", [] if self.report is None else self.report.lines()),
            ("Remarks", self.remarks),
        ):
            _list(console, title, lines)

    def judge(self, strict: bool) -> None:
        """Refuse the data set where nothing, or with `strict` not all of it, is in order.

        Raises:
            UserError: That is so.
        """
        if not any(self.good.values()):
            raise UserError(f"None of the {len(self.bad)} files of {self.name} can be used.")
        findings = 0 if self.report is None else len(self.report.findings)
        if strict and (self.bad or findings):
            raise UserError(
                f"strict: {len(self.bad)} files of {self.name} cannot be used, and verification "
                f"has {findings} finding{'' if findings == 1 else 's'}."
            )


def shown(path: str | Path) -> str:
    """A path that a terminal can show: names may hold line breaks, or bytes that are no text."""
    name = str(path)
    return name if name.isprintable() else ascii(name)


def _list(console: Console, title: str, lines: list[str]) -> None:
    if not lines:
        return
    console.print(Text(f"{title} ({len(lines)})", style="bold"))
    for line in lines[:NAMED]:
        console.print(Text(f"  {shown(line)}"), soft_wrap=True)
    if len(lines) > NAMED:
        console.print(f"  and {len(lines) - NAMED} more")


def _short(text: str, most: int = 160) -> str:
    return text if len(text) <= most else text[: most - 2] + " …"
