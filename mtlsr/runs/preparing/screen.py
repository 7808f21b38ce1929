"""How far the preparation of a data set is."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from mtlsr.data.acquisition.download import Report as Advance


class Screen:
    """Progress on the terminal; where there is none, a line for each thing that begins."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            _Amount(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "Screen":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def watch(self, name: str, what: str) -> Advance:
        """Show the bytes of a download; see `mtlsr.data.acquisition.fetch.Watch`."""
        task = self._begin(f"{name}: {what}", None, bytes=True)

        def advance(done: int, total: int | None) -> None:
            self.bars.update(task, completed=done, total=total)

        return advance

    def count(self, what: str, total: int) -> Callable[[], None]:
        """Show how many of a number of files are done."""
        task = self._begin(what, total, bytes=False)
        return lambda: self.bars.advance(task)

    def _begin(self, what: str, total: int | None, bytes: bool) -> TaskID:
        if not self.console.is_terminal:
            self.console.print(f"{what} ...", markup=False, highlight=False)
        return self.bars.add_task(what.replace("[", r"\["), total=total, bytes=bytes)


class _Amount(ProgressColumn):
    """Bytes with their rate, or files."""

    def __init__(self) -> None:
        super().__init__()
        self.size, self.rate, self.count = (
            DownloadColumn(),
            TransferSpeedColumn(),
            MofNCompleteColumn(),
        )

    def render(self, task: Task) -> Text:
        if not task.fields["bytes"]:
            return self.count.render(task)
        return Text.assemble(self.size.render(task), " ", self.rate.render(task))
