"""Measure this machine: python -m mtlsr.benchmark part=step

    step        the training step, beside a bare loop over the same work
    objective   the terms, beside the network
    loader      samples/s, beside decoding files and bare copying; what the training step waits
    networks    every network: parameters, multiply-adds, latency, memory, receptive field
    inference   enlarging an image, beside the network's convolutions each timed alone
    startup     --help, shell completion and the first training step, beside importing the libraries

and, only on demand:

    jobs        two trainings of one thread side by side, beside one after the other
    precision   a training step in bfloat16 and channels-last memory, beside float32 and NCHW
    files       EDSR trained from files on disk, beside a plain loop with data in memory
    balancing   stage 2 with each method of balancing, beside the plain sum
    adversarial stage 2 with a discriminator, beside the same without
    memory      a training; and a loader process that reads a store of `gigabytes`, which is made
    evaluation  decoding and measuring, beside the network
    growth      time and memory against images, patches, batches, photographs, jobs, processes

Every figure stands beside its limit, measured in the same run. They are written as benchmark.json
and benchmark.png into the run's folder, and as a line of history beside it;
`base=<benchmark.json>` compares them with an earlier run's.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(cfg: DictConfig) -> Path:
    """Measure the parts that `cfg.part` names and return the folder of benchmark.json."""
    import shutil

    from rich.console import Console

    from mtlsr.runs import drawing, starting
    from mtlsr.runs.timing import ON_DEMAND, PARTS, plot, record, tables

    folder = Path(cfg.folder)
    console = Console()
    if cfg.measured is not None:
        both = (record.read(cfg[key], key) for key in ("base", "measured"))
        console.print(record.comparison(*both))
        return folder
    cfg = starting.settled(cfg)
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in PARTS if name not in ON_DEMAND] if cfg.part == "all" else [cfg.part]
    figures = {name: PARTS[name](cfg, folder) for name in names}
    shutil.rmtree(folder / "scratch", ignore_errors=True)
    record.write(folder, Path(cfg.history) if cfg.history else None, figures)
    if drawing.can_draw():
        plot.plot(folder / "benchmark.png", figures)
    console.print(*tables(figures))
    if cfg.base is not None:
        console.print(record.comparison(record.read(cfg.base, "base"), figures))
    return folder


def check(cfg: DictConfig) -> None:
    """Refuse what cannot be measured, before anything is written."""
    from mtlsr.runs import checking
    from mtlsr.runs.quiet import quiet
    from mtlsr.runs.schema import ConfigError
    from mtlsr.runs.timing import PARTS, record
    from mtlsr.runs.timing.balancing import check_methods
    from mtlsr.runs.timing.inference import check_choices
    from mtlsr.runs.timing.memory import check_possible
    from mtlsr.runs.timing.processes import check_proc

    if cfg.part not in (*PARTS, "all"):
        raise ConfigError(f"part is {cfg.part!r}; it is one of {', '.join(PARTS)} or all.")
    for key in ("base", "measured"):
        if cfg[key] is not None:
            record.read(cfg[key], key)
    if cfg.measured is not None:
        if cfg.base is None:
            raise ConfigError("measured is given, so base must be, too: what it is compared with.")
        return
    quiet()
    checking.check(cfg)
    check_choices(cfg)
    if cfg.part == "memory":
        check_possible(cfg)
    if cfg.part == "growth":
        check_proc("growth")
    if cfg.part == "balancing":
        check_methods(cfg)


def main() -> None:
    """Serve the command line."""
    from mtlsr.runs.command import execute

    execute("benchmark", run, check)


if __name__ == "__main__":
    main()
