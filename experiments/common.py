"""What the studies share: trainings, photographs to measure on, tables in README.md and in CSV."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np
from scipy.stats import spearmanr

from mtlsr.data.datasets import find_dataset
from mtlsr.data.images import find_images
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.runs.manifest import commit

SCALE = 4

T = TypeVar("T")

KEPT = "hydra.output_subdir=null"

_running: set["subprocess.Popen[Any]"] = set()
"""Commands that have not ended."""


def train(folder: Path, *overrides: str, threads: int) -> None:
    """Train one run, quietly, unless its folder holds it already; what was stopped goes on.

    Raises:
        ValueError: The folder holds another training, or one by another commit.
    """
    given = [f"hydra.run.dir={folder}", "resume=auto", "logger=csv", "trainer.progress=false"]
    given += [f"trainer.threads={threads}", *overrides]
    manifest = folder / "manifest.json"
    if manifest.exists() and (found := json.loads(manifest.read_text()))["status"] == "done":
        # The command line puts paths into quotes, and says that a run that goes on keeps .hydra/.
        command = [argument.replace("'", "") for argument in found["command"][1:]]
        if [argument for argument in command if argument != KEPT] != given:
            raise ValueError(f"{folder} holds another training: {' '.join(found['command'])}.")
        if found["commit"] != commit():
            raise ValueError(f"{folder} was trained by commit {found['commit']}; delete it first.")
        return
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "mtlsr.train", *given]
    if code := call(command, stdout=subprocess.DEVNULL, env=environment):
        raise subprocess.CalledProcessError(code, command)


def train_from_one_stage1(
    runs: Path,
    seeds: Sequence[int],
    variants: Mapping[str, Sequence[str]],
    *both: str,
    jobs: int,
    threads: int,
) -> None:
    """Train stage 1 once a seed, and every variant of stage 2 from it: <runs>/<variant>_<seed>.

    Args:
        variants: Variant -> overrides of its stage 2.
        both: Overrides of both stages.
        jobs: Trainings at a time.
        threads: CPU threads of a training.

    Raises:
        ValueError: A folder holds another training, or one by another commit.
    """

    def stage1(seed: int) -> None:
        given = [f"seed={seed}", "stages=[realism]", *both]
        train(runs / f"stage1_{seed}", *given, threads=threads)

    def stage2(job: tuple[int, str]) -> None:
        seed, variant = job
        given = [f"seed={seed}", "stages=[restoration]", f"stage1={runs}/stage1_{seed}", *both]
        train(runs / f"{variant}_{seed}", *given, *variants[variant], threads=threads)

    in_parallel(jobs, stage1, seeds)
    in_parallel(jobs, stage2, [(seed, variant) for seed in seeds for variant in variants])


def call(command: Sequence[str], **options: Any) -> int:
    """Exit code of a command. What asks us to stop is passed on, and it may end in its own way.

    Ctrl-C in subprocess.run would kill it after a quarter of a second, before it has saved.

    Args:
        options: Those of subprocess.Popen.
    """
    alone = threading.current_thread() is threading.main_thread()  # else see `in_parallel`
    with subprocess.Popen(command, start_new_session=True, **options) as child:
        _running.add(child)
        try:
            with _passing_on() if alone else nullcontext():
                return child.wait()
        finally:
            _running.discard(child)


def in_parallel(jobs: int, do: Callable[[T], object], items: Iterable[T]) -> None:
    """Do something for every item, several at a time.

    What asks us to stop is passed on to the commands that run, and nothing else is begun.

    Raises:
        SystemExit: It was stopped.
        Exception: What the first item raised that failed.
    """
    with _passing_on() as asked, ThreadPoolExecutor(jobs) as pool:
        done = pool.map(lambda item: None if asked else do(item), items)
        try:
            list(done)
        except subprocess.CalledProcessError:
            if not asked:
                raise
        if asked:
            stop(128 + asked[0])


def stop(code: int) -> NoReturn:
    """End with an exit code because somebody asked for it, and say how to go on."""
    print("Stopped. The same command goes on where it was.", file=sys.stderr)
    sys.exit(code)


@contextmanager
def _passing_on() -> Iterator[list[int]]:
    """Pass on to the commands that run what asks us to stop; yields the signals that came."""
    asked: list[int] = []

    def pass_on(number: int, _: object) -> None:
        asked.append(number)
        for child in tuple(_running):
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(child.pid, number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def images(folder: Path | None = None) -> dict[str, list[EvaluationPair]]:
    """The photographs that `dataset=photos` holds out, and those of a folder, by table."""
    files = find_dataset("photos")
    found = {"held out": [*files.evaluation("test", SCALE), *files.evaluation("val", SCALE)]}
    if folder is not None:
        found["photographs"] = list(EvaluationSet(folder.name, find_images(folder), SCALE))
    return found


def rank_correlations(said: np.ndarray, done: np.ndarray) -> list[tuple[int, float]]:
    """Of every degradation: pictures with it, and over those Spearman's correlation.

    Args:
        said: What a network says of N pictures, (N, V).
        done: Strengths of what was done to them, (N, V); 0 where nothing was.
    """
    found = []
    for ours, theirs in zip(said.T, done.T, strict=True):
        present = theirs > 0
        rank = float(spearmanr(ours[present], theirs[present]).statistic)
        found.append((int(present.sum()), rank))
    return found


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def write_table(page: Path, table: str, name: str = "table") -> None:
    """Put a table between `<!-- name -->` and the next `<!-- end -->` of a page, and print it."""
    opening, closing = f"<!-- {name} -->\n", "<!-- end -->"
    before, found, rest = page.read_text(encoding="utf-8").partition(opening)
    if not found or closing not in rest:
        raise ValueError(f"{page} has no place for a table: {opening.strip()} and {closing}.")
    after = rest.partition(closing)[2]
    page.write_text(f"{before}{opening}{table}\n{closing}{after}", encoding="utf-8")
    print(table)
