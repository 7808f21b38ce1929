"""Jobs of a sweep side by side, beside one after the other."""

import time
from pathlib import Path

from omegaconf import DictConfig

from mtlsr.runs.schema import STAGES
from mtlsr.runs.timing.common import Figure, interleaved
from mtlsr.runs.timing.processes import spend, started, training

ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def jobs(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """What two trainings of one thread each gain where they run side by side.

    - `side_by_side`: trainings an hour of two at a time, beside the same two one after the other.
      Ratio: how many times as many; on two cores at least 1.6 are wanted.

    They are whole processes with the overrides of `overrides` and `measured_steps` a stage.
    """
    scratch = folder / "scratch"
    short = [f"schedule.{stage}.steps={cfg.measured_steps}" for stage in STAGES]

    def commands(kind: str) -> list[list[str]]:
        number = len(list(scratch.glob("*"))) if scratch.exists() else 0
        folders = [scratch / f"{kind}{number}_{job}" for job in range(2)]
        return [training(cfg, own, "trainer.threads=1", *short) for own in folders]

    def after_each_other() -> float:
        return sum(spend(command, environment=ONE_THREAD).seconds for command in commands("one"))

    def side_by_side() -> float:
        start = time.perf_counter()
        running = [started(command, ONE_THREAD) for command in commands("two")]
        for process in running:
            said = process.communicate()[1]
            if process.returncode:
                raise RuntimeError(f"A training ended with {process.returncode}: {said.strip()}")
        return time.perf_counter() - start

    found = interleaved({"one": after_each_other, "two": side_by_side}, cfg.repeats)
    rates = {name: [2 / seconds for seconds in taken] for name, taken in found.items()}
    return {"side_by_side": Figure.of(rates["two"], rates["one"], "jobs/h", 3600)}
