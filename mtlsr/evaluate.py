"""Measure models on images whose truth is known: python -m mtlsr.evaluate model=<run>

    python -m mtlsr.evaluate model=<run> dataset=set5 dataset.root=<folder>
    python -m mtlsr.evaluate 'model=[<run>,<run>]' dataset=folder dataset.root=<folder> split=all

Bicubic interpolation is always measured with them. The table goes to the terminal, results.json and
per_image.csv into `output`.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from rich.progress import Progress, TaskID

    from mtlsr.data.pairs import EvaluationPair
    from mtlsr.runs.results import Method, UInt8

# Heavy imports stand inside the functions: --help and shell completion need none of them.


def run(cfg: DictConfig) -> Path:
    """Measure what `cfg` describes and return the folder with the results.

    Raises:
        ValueError, OSError: A model, data set or image that cannot be used.
    """
    from rich.console import Console
    from rich.progress import Progress

    from mtlsr.inference.device import find_device
    from mtlsr.metrics.protocol import Protocol
    from mtlsr.runs import comparison
    from mtlsr.runs.results import bicubic, evaluate, network

    device, networks = find_device(cfg.device), comparison.networks(cfg)
    scale = comparison.common_scale(cfg, networks)
    sets = comparison.images(cfg, scale)
    methods = {"bicubic": bicubic(scale)} | {n: network(m, device) for n, m in networks.items()}

    folder = Path(cfg.folder)
    folder.mkdir(parents=True, exist_ok=True)
    screen = Console(stderr=True)
    try:
        with Progress(console=screen, disable=not screen.is_terminal) as bar:
            task = bar.add_task("Measuring", total=len(methods) * sum(map(len, sets)))
            counted = {n: _counted(m, bar, task) for n, m in methods.items()}
            results = evaluate(sets, counted, Protocol.preset("literature", scale))
        results.write(folder)
    except BaseException:
        with suppress(OSError):
            folder.rmdir()  # Hydra made it; without results it would be litter
        raise
    results.print()
    print(f"results.json and per_image.csv are in {folder}.")
    return folder


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be measured, before anything is written.

    Raises:
        ValueError, OSError: What is wrong, the value, and what is allowed.
    """
    from mtlsr.inference.device import find_device
    from mtlsr.runs import comparison

    find_device(cfg.device)
    comparison.images(cfg, comparison.common_scale(cfg, comparison.networks(cfg)))
    if Path(cfg.output).is_file():
        raise ValueError(f"output is {cfg.output!r}, which is a file; a folder is needed.")


def _counted(method: Method, bar: Progress, task: TaskID) -> Method:
    """A method that tells the progress bar about each image."""

    def counted(pair: EvaluationPair) -> UInt8:
        enlarged = method(pair)
        bar.advance(task)
        return enlarged

    return counted


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("evaluate", run, check)


if __name__ == "__main__":
    main()
