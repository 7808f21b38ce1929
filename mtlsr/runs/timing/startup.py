"""How long it takes until there is something to see."""

import sys
from pathlib import Path

from omegaconf import DictConfig

from mtlsr.runs import checking
from mtlsr.runs.schema import STAGES
from mtlsr.runs.timing.common import Figure, interleaved
from mtlsr.runs.timing.processes import LIBRARIES, spend, training
from mtlsr.runs.tracking import METRICS

PARSER = (sys.executable, "-c", "import hydra")
"""A process that imports what reads the command line, and does nothing else."""


def startup(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Seconds of processes from their start, beside importing the libraries that they cannot lack.

    - `help`: `python -m mtlsr.train --help`, beside importing Hydra. Under 1.5 s is wanted.
    - `completion`: what the shell asks when the tabulator key is pressed, likewise.
    - `first_step`: `python -m mtlsr.train` with the overrides of `overrides`, until its first step
      is in metrics.csv, beside importing torch, Lightning, Hydra and W&B. The photographs are
      decoded already. Under 10 s is wanted.

    Ratio: how many times as long. Each has been run once before, so that files are in memory.
    """
    checking.check(cfg)  # decodes the photographs
    scratch = folder / "scratch"
    works = {
        "parser": lambda: spend(PARSER).seconds,
        "help": lambda: spend([sys.executable, "-m", "mtlsr.train", "--help"]).seconds,
        "completion": _completion,
        "libraries": lambda: spend(LIBRARIES).seconds,
        "first_step": lambda: _first_step(cfg, scratch / f"first{len(list(scratch.glob('*')))}"),
    }
    scratch.mkdir(parents=True, exist_ok=True)
    interleaved(works, 1)
    found = interleaved(works, cfg.repeats)
    limits = {"help": "parser", "completion": "parser", "first_step": "libraries"}
    return {name: Figure.of(found[name], found[limit], "s") for name, limit in limits.items()}


def _completion() -> float:
    line = "mtlsr-train loss.lam"
    asking = [sys.executable, "-m", "mtlsr.train", "-sc", "query=bash"]
    asked = {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    return spend(asking, environment=asked).seconds


def _first_step(cfg: DictConfig, folder: Path) -> float:
    steps = [f"schedule.{stage}.validations=0" for stage in STAGES]
    written = folder / METRICS

    def stepped() -> bool:
        return written.exists() and written.read_bytes().count(b"\n") > 1

    command = training(cfg, folder, "trainer.log_every=1", *steps)
    return spend(command, until=stepped).seconds
