"""Trainings that are killed at random moments and resumed, until they end.

`python -m tests.killing --kills 40` does it from a shell and tells where each death came.
"""

import argparse
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.same_runs import assert_same

PLAN = [
    "schedule.realism.steps=9",
    "schedule.realism.validations=3",
    "schedule.restoration.steps=12",
    "schedule.restoration.validations=4",
    "loss.realism.average=0.9",
    "loss.realism.start=0",
    "trainer.log_every=1",
    "trainer.checkpoint.steps=1",
]
"""A training that writes checkpoints and validates for much of its time."""

RARE = ("loading", "evaluation")
"""Phases so short that a death at a random moment all but never falls into them."""

AIMED = 0.4
"""Share of the deaths of resumed trainings that wait for one of those."""


def train(folder: Path, cache: Path, photographs: Path, resume: bool, marks: Path) -> None:
    """Run in a process of its own; `marks` grows by a line a phase."""
    from mtlsr.train import run
    from tests.conftest import compose_tiny

    _mark_phases(marks)
    given = [f"resume={folder}"] if resume else PLAN
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    run(compose_tiny("train", folder, cache, photographs, *given))


def _mark_phases(marks: Path) -> None:
    from mtlsr.runs import checkpoints, publishing, saving
    from mtlsr.stages.base import Stage

    def marked(owner: object, name: str, phase: str) -> None:
        original: Callable[..., object] = getattr(owner, name)

        def call(*arguments: object, **named: object) -> object:
            with marks.open("a") as file:
                file.write(f"{phase}\n")
            try:
                return original(*arguments, **named)
            finally:
                with marks.open("a") as file:
                    file.write("between\n")

        setattr(owner, name, call)

    marked(Stage, "training_step", "step")
    marked(saving.Checkpoints, "save", "checkpoint")
    marked(checkpoints.WholeFiles, "load_checkpoint", "loading")
    marked(publishing, "publish", "evaluation")
    for name in ("RealismStage", "RestorationStage"):
        module = __import__("mtlsr.runs.build", fromlist=[name])
        marked(getattr(module, name), "validation_step", "validation")


def kill_and_resume(
    base: Path, cache: Path, photographs: Path, kills: int, seed: int
) -> Counter[str]:
    """Kill trainings `kills` times in all; each that ends must equal one that was left alone.

    Returns:
        How many deaths came in which phase of which stage.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.conftest", "mtlsr.runs.publishing", "mtlsr.train"])

    def start(folder: Path, resume: bool) -> multiprocessing.Process:
        marks = folder.with_suffix(".marks")
        process = context.Process(target=train, args=(folder, cache, photographs, resume, marks))
        process.start()
        return process  # type: ignore[return-value]

    chance = random.Random(seed)
    straight = base / "straight"
    alone = start(straight, resume=False)
    alone.join()
    assert alone.exitcode == 0
    whole = _length(straight)

    deaths: Counter[str] = Counter()
    number = 0
    while sum(deaths.values()) < kills:
        folder, resume = base / f"killed_{number}", False
        while True:
            process = start(folder, resume)
            if sum(deaths.values()) < kills:
                # By what it has done and not by the clock, which depends on the machine's load.
                begun = _length(folder)
                end = begun + chance.randint(1, whole // 2)
                rare = chance.choice(RARE) if resume and chance.random() < AIMED else None
                while process.is_alive():
                    done = _length(folder)
                    if (done > begun and _phase(folder) == rare) if rare else done >= end:
                        break
                    time.sleep(0.001)
                time.sleep(chance.uniform(0, 0.005 if rare else 0.05))
                process.kill()
            process.join()
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL
            deaths[_where(folder)] += 1
            resume = (folder / "manifest.json").exists()
        assert_same(straight, folder)
        number += 1
    return deaths


def _length(folder: Path) -> int:
    marks = folder.with_suffix(".marks")
    return marks.stat().st_size if marks.exists() else 0


def _phase(folder: Path) -> str:
    marks = folder.with_suffix(".marks")
    return marks.read_text().splitlines()[-1] if marks.exists() else "start"


def _where(folder: Path) -> str:
    stage = "restoration" if (folder / "checkpoints" / "restoration").exists() else "realism"
    return f"{stage}: {_phase(folder)}"


def main() -> None:
    """Serve the shell."""
    from tests.conftest import write_photographs

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        photographs = write_photographs(base / "photographs")
        deaths = kill_and_resume(base, base / "cache", photographs, given.kills, given.seed)
    for where, count in sorted(deaths.items()):
        print(f"{count:3d}  {where}")


if __name__ == "__main__":
    main()
