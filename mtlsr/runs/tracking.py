"""What is logged, and where: metrics.csv always, W&B and others by configuration."""

import csv
import secrets
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import DictConfig
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from mtlsr.files import read_csv, replacing, sync, write_csv
from mtlsr.runs.loggers import loggers as named
from mtlsr.runs.pruning import Pruned
from mtlsr.runs.schema import plain

METRICS = "metrics.csv"
"""In a run's folder."""


class MetricsCsv(Logger):
    """metrics.csv: a row a logged step, a column a value; both stages and later resumes append.

    Lightning's own CSVLogger deletes the file when it is opened again.

    Args:
        path: The file.
        keep: Rows that stay of what is there already; None = all of them.
    """

    def __init__(self, path: Path, keep: int | None = None) -> None:
        super().__init__()
        self.path = path
        self._columns: list[str] = []
        if path.exists():
            with path.open(newline="") as file:
                self._columns = next(csv.reader(file), [])
            self.cut(keep)

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **_: Any) -> None:
        """Nothing: the configuration stands in .hydra/ and manifest.json."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        row = {"step": step, **{k: v for k, v in metrics.items() if k != "epoch"}}
        if set(row) - set(self._columns):
            self._widen([*self._columns, *(name for name in row if name not in self._columns)])
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(row)

    def rows(self) -> int:
        """How many rows there are, all of them on the disk by now."""
        if not self.path.exists():
            return 0
        with self.path.open("r+", newline="") as file:
            sync(file)
            return sum(1 for _ in csv.reader(file)) - 1

    def cut(self, keep: int | None) -> None:
        """Leave the first so many rows; None = all."""
        if keep is not None and self.path.exists():
            self._write(self._columns, read_csv(self.path)[:keep])

    def _widen(self, columns: list[str]) -> None:
        """Rewrite the file with more columns."""
        rows = read_csv(self.path) if self.path.exists() else []
        self._columns = columns
        self._write(columns, rows)

    @rank_zero_only
    def _write(self, columns: list[str], rows: list[dict[str, str]]) -> None:
        write_csv(self.path, rows, columns)


class Wandb(WandbLogger):
    """Lightning's W&B logger, one W&B run a run folder, without its chatter while offline.

    Args:
        save_dir: The run's folder; its last two parts name the run.
        project: W&B project.
        offline: Write to the folder only; `make sync` sends it later.
        options: Further arguments of `wandb.init`: entity, group, tags ...
    """

    def __init__(self, save_dir: str, project: str, offline: bool = True, **options: Any) -> None:
        import wandb

        options.setdefault("id", _identity(Path(save_dir)))
        options.setdefault("resume", "allow")
        if offline:
            options.setdefault("settings", wandb.Settings(silent=True, console="off"))
        options.setdefault("name", "/".join(Path(save_dir).parts[-2:]))
        super().__init__(save_dir=save_dir, project=project, offline=offline, **options)
        # Lightning passes it always; W&B warns that it has no effect.
        self._wandb_init.pop("anonymous", None)


def _identity(folder: Path) -> str:
    """The W&B run's id: made when a run begins, found again when it goes on."""
    path = folder / "wandb" / "id.txt"
    if path.exists():
        return path.read_text().strip()
    identity = secrets.token_hex(4)
    _note(path, identity)
    return identity


@rank_zero_only
def _note(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(f"{text}\n")


@contextmanager
def tracked(cfg: DictConfig, folder: Path, keep: int | None = None) -> Iterator[list[Logger]]:
    """The run's loggers, told its configuration, and closed whatever happens.

    W&B keeps one run open a process: if it were not closed, the next job of a sweep would write
    into it. A run that ends by an exception is marked as failed there.

    Args:
        cfg: The configuration of a training.
        folder: The run's.
        keep: Rows of an earlier metrics.csv that the run goes on from; None = all.
    """
    loggers: list[Logger] = [MetricsCsv(folder / METRICS, keep), *named(cfg, folder)]
    config, failed = plain(cfg), True
    try:
        for logger in loggers:
            logger.log_hyperparams(config)
        yield loggers
        failed = False
    except Pruned:
        failed = False
        raise
    finally:
        if any(isinstance(logger, WandbLogger) for logger in loggers):
            import wandb

            wandb.finish(exit_code=int(failed))


def log_panels(
    loggers: Sequence[Logger], rows: Sequence[tuple[str, dict[str, NDArray[np.uint8]]]]
) -> None:
    """Send W&B pictures: `pictures/<photograph>`, each version with its name as its caption.

    Not as a table: W&B keeps what is in one outside of the run's folder until it is sent.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            for name, pictures in rows:
                logger.log_image(
                    f"pictures/{name}", list(pictures.values()), caption=list(pictures)
                )
