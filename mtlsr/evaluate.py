"""Measure models on images whose truth is known: python -m mtlsr.evaluate model=<run>

    python -m mtlsr.evaluate model=<run> dataset=set5 dataset.root=<folder>
    python -m mtlsr.evaluate 'model=[<run>,<run>]' dataset=folder dataset.root=<folder> split=all
    python -m mtlsr.evaluate 'model={ours: <run>, other: "images:<folder>"}' benchmarks=<folder>

Bicubic interpolation is always measured with them. The table goes to the terminal; into `output` go
results.json, per_image.csv, the table as Markdown, LaTeX and CSV, and pictures. Several processes
share the images: python -m torch.distributed.run --nproc_per_node 2 -m mtlsr.evaluate model=<run>
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from mtlsr.runs.evaluation.comparison import Comparison
    from mtlsr.runs.evaluation.processes import Processes
    from mtlsr.runs.evaluation.results import Results

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> Path:
    """Measure what `cfg` describes and return the folder with the results.

    Raises:
        ValueError, OSError: A model, data set or image that cannot be used.
    """
    from contextlib import suppress

    from mtlsr.runs.evaluation.comparison import comparison
    from mtlsr.runs.evaluation.processes import joined

    folder = Path(cfg.folder)
    try:
        with joined() as processes:
            compared = comparison(cfg)
            results = _measured(cfg, compared, processes)
        if _first():
            folder.mkdir(parents=True, exist_ok=True)
            _publish(cfg, compared, results, folder)
    except BaseException:
        if _first():
            with suppress(OSError):
                folder.rmdir()  # Hydra made it; without results it would be litter
        raise
    return folder


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be measured, before anything is written.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.runs.evaluation.comparison import comparison

    comparison(cfg)
    if Path(cfg.output).is_file():
        raise ValueError(f"output is {cfg.output!r}, which is a file; a folder is needed.")


def _measured(cfg: DictConfig, compared: Comparison, processes: Processes) -> Results:
    from dataclasses import replace
    from functools import partial

    from rich.console import Console
    from rich.progress import track

    from mtlsr.runs.evaluation.measuring import evaluate

    screen = Console(stderr=True)
    hidden = processes.rank > 0 or not screen.is_terminal
    shown = partial(track, description="Measuring", console=screen, disable=hidden)
    results = evaluate(
        compared.sets,
        compared.methods,
        compared.protocol,
        compared.measures,
        cfg.batch,
        processes,
        shown,
    )
    results = replace(results, settings=compared.settings, notes=compared.notes)
    for earlier in cfg.beside:
        results = results.beside(Path(earlier))
    return results


def _publish(cfg: DictConfig, compared: Comparison, results: Results, folder: Path) -> None:
    """Write and show everything that `cfg` asks for."""
    from rich.console import Console

    from mtlsr.runs.evaluation import pareto, pictures, tables

    scale = results.protocol.scale
    shown = tables.sheet(results, tables.literature(scale) if cfg.published else None)
    results.write(folder)
    tables.write_tables(folder, shown)
    if cfg.pictures:
        pictures.draw(results, compared.sets, compared.methods, folder / "pictures")
    if cfg.pareto:
        costs = {name: pareto.cost(method, scale) for name, method in compared.methods.items()}
        pareto.write_costs(folder / "costs.csv", costs)
        pareto.plot(folder / "pareto.png", results, costs)
    Console().print(tables.rich_table(shown))
    print(f"Everything is in {folder}.")


def _first() -> bool:
    """Whether this process writes and speaks; torchrun numbers those that it starts."""
    return int(os.environ.get("RANK", "0")) == 0


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    if _first():
        execute("evaluate", run, check)
    else:  # it needs no folder, and what is wrong is said once
        sys.argv.append("hydra.run.dir=.")
        execute("evaluate", run)


if __name__ == "__main__":
    main()
