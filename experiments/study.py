"""A study: variants of a training, each under several seeds, and one leaderboard over all of them.

    python -m experiments.<study>.study [--seeds 0 1 2] [--runs <folder>] [<overrides>]

Each variant is a sweep over seeds; all of them share their stages 1. What was stopped or failed
goes on with the same command. The leaderboard is that of `python -m mtlsr.report` over all
sweeps. The table is written into the study's README.md, every value into table.csv, figures.csv
and gram.csv, the plot into figure.png; report.html stays beside the runs. Overrides are those of
mtlsr.train, but for what the variants set.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.common import call, markdown, stop, write_table
from mtlsr.files import write_csv
from mtlsr.metrics.table import Measure
from mtlsr.runs.drawing import can_draw, save
from mtlsr.runs.pairwise.words import rounded
from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps import details, tables
from mtlsr.sweeps.jobs import COMMAND, Job
from mtlsr.sweeps.leaderboard import Leaderboard
from mtlsr.sweeps.report import report
from mtlsr.sweeps.statistics import Board, Score
from mtlsr.sweeps.words import duration, machines, mean_text, remarks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, GREY = "#0072b2", "#888888"

HERE_ONLY = ("cache", "logger", "seed", "sweep.stage1", "trainer.progress")
"""Overrides that change no figure, beside those of folders (`*root`)."""

STAGE1 = 560
"""Steps of stage 1 in the default schedule: what trains without one has so many steps more."""

WITHOUT_STAGE1 = f"schedule.restoration.steps={3000 + STAGE1}"
"""The default schedule's steps, all in stage 2."""

Figures = Mapping[str, float]
"""Column -> figure."""


@dataclass(frozen=True)
class Study:
    """What is compared with what."""

    folder: Path
    """Its folder: README.md and results."""
    variants: Mapping[str, Sequence[str]]
    """What a variant is called -> its overrides; the others are compared with the first one."""
    measures: Sequence[str] = ("psnr_y", "ssim_y")
    """The first one ranks."""
    more: Callable[[Path], Figures] | None = None
    """Further figures of a finished run's folder."""
    plot: "Callable[[Shown, Figure], None] | None" = None
    """Draws figure.png; None: differences to the first variant."""

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.name


@dataclass(frozen=True)
class Shown:
    """What a study's plot shows."""

    board: Board
    """Of the data set with the most images."""
    baseline: str
    """What the others are compared with."""
    scores: Mapping[str, Score]
    """Variant -> its score in the first measure."""
    further: Mapping[str, Sequence[Figures]]
    """Variant -> further figures under each seed."""


def main(study: Study) -> None:
    """Serve the command line of a study; exit code 1 if a job failed."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], usage="%(prog)s [options] [overrides of mtlsr.train]"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("outputs") / study.name)
    given = sys.argv[1:]
    common = [each for each in given if "=" in each and not each.startswith("-")]
    asked = parser.parse_args([each for each in given if each not in common])
    runs = asked.runs.resolve()
    check_equal(study, common)
    for index, overrides in enumerate(study.variants.values()):
        sweep = runs / str(index)
        before = reported(sweep)
        code = train(runs, sweep, [*common, *overrides], asked.seeds)
        if code == 1 and reported(sweep) == before:  # else some of its jobs failed, and it says so
            raise SystemExit(f"{sweep} was refused; nothing is published. See {sweep}.log.")
        if stopped(code):
            stop(code)
    sweeps = [runs / str(index) for index in range(len(study.variants))]
    found = report(sweeps, None, study.measures, runs)
    publish(study, found, runs)
    sys.exit(0 if found.complete else 1)


def check_equal(study: Study, common: Sequence[str]) -> None:
    """Refuse overrides for all variants that some would lose, or that would make steps unequal.

    Raises:
        SystemExit: Which override, and which variant sets it.
    """
    for each in common:
        key = _key(each)
        for name, overrides in study.variants.items():
            for own in map(_key, overrides):
                steps = own.endswith(".steps") and (key.endswith(".steps") or key == "schedule")
                if own == key or steps:
                    raise SystemExit(
                        f"{each} cannot be given: the variant {name!r} of {study.name} sets {own}, "
                        "and the variants would no longer be what their names say."
                    )


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+").replace("/", ".")


def train(runs: Path, sweep: Path, overrides: Sequence[str], seeds: Sequence[int]) -> int:
    """One variant under every seed; goes on where there is something already.

    Returns:
        The exit code.
    """
    given = [*overrides, f"seed={','.join(map(str, seeds))}", "logger=csv"]
    given += ["trainer.progress=false", f"hydra.sweep.dir={sweep}", f"sweep.stage1={runs}/stage1"]
    if (sweep / COMMAND).is_file():
        given.append(f"sweep.resume={sweep}")
    command = [sys.executable, "-m", "mtlsr.train", "-m", *given]
    print(shlex.join(command), flush=True)
    sweep.parent.mkdir(parents=True, exist_ok=True)
    with (sweep.parent / f"{sweep.name}.log").open("a") as said:
        code = call(command, stdout=said, stderr=subprocess.STDOUT)
    if code:
        print(f"exit code {code}: {said.name}", file=sys.stderr)
    return code


def reported(sweep: Path) -> int | None:
    """When a sweep has ended for the last time, in nanoseconds; None: never."""
    path = sweep / tables.NAME
    return path.stat().st_mtime_ns if path.is_file() else None


def stopped(code: int) -> bool:
    """Whether a signal ended a command: killed by it, or by shells' 128 + its number."""
    return code < 0 or code > 128


def publish(study: Study, found: Leaderboard, runs: Path) -> None:
    """Write what a study found out into its folder."""
    labels = names(study, found, runs)
    further = {str(job.folder): _further(study, job) for job in found.jobs if job.done}
    parts = [_origin(found)]
    for board in found.boards:
        rows = list(_rows(found, board, labels, further))
        title = f"**{board.dataset}**, {board.images} image{'s' * (board.images > 1)}:"
        parts.append(f"{title}\n\n{markdown(list(rows[0]), [list(row.values()) for row in rows])}")
    parts += remarks(found)
    write_table(study.folder / "README.md", "\n\n".join(parts))
    shared = tables.write(study.folder, found)
    shared.rename(study.folder / "table.csv")
    if any(further.values()):
        write_csv(
            study.folder / "figures.csv",
            [
                {"variant": labels[v.name], "seed": seed, **further[str(job.folder)]}
                for v in found.variants
                for seed, job in v.done.items()
            ],
        )
    if not found.boards:
        return
    board = max(found.boards, key=lambda each: each.images)
    judged = details.judged(found, board.dataset)
    if len(judged) > 1:
        write_csv(
            study.folder / "gram.csv",
            [
                {"variant": labels[name], "seed": seed, "Gram distance": distance}
                for name, own in judged.items()
                for seed, distance in own.items()
            ],
        )
    if can_draw():
        draw(study, shown(board, found, labels, further))


def names(study: Study, found: Leaderboard, runs: Path) -> dict[str, str]:
    """What the leaderboard calls a variant -> what the study calls it."""
    own = list(study.variants)
    places = {v.name: v.jobs[0].sweep.relative_to(runs).as_posix() for v in found.variants}
    if len(set(places.values())) < len(places):
        raise ConfigError(f"{study.name}: the overrides sweep over something but the seed.")
    return {name: own[int(place)] for name, place in places.items()}


def shown(
    board: Board, found: Leaderboard, labels: Mapping[str, str], further: Mapping[str, Figures]
) -> Shown:
    """A board, in the study's own words."""
    first = board.measures[0].name
    return Shown(
        board,
        labels[found.baseline.name],
        {labels[name]: scores[first] for name, scores in board.scores.items()},
        {
            labels[variant.name]: [further[str(job.folder)] for job in variant.done.values()]
            for variant in found.variants
        },
    )


def draw(study: Study, given: Shown) -> None:
    """figure.png."""
    from matplotlib.figure import Figure

    height = 1.2 + 0.4 * (len(given.scores) - 1)
    figure = Figure(figsize=(6.4, 4.8 if study.plot else height), layout="constrained")
    (study.plot or differences)(given, figure)
    figure.suptitle(f"{given.board.dataset}, {given.board.images} images", size="medium")
    save(figure, study.folder / "figure.png")


def differences(given: Shown, figure: "Figure") -> None:
    """Differences to the baseline in the first measure, with their intervals."""
    measure = given.board.measures[0]
    axes = figure.subplots()
    for label, score in reversed(list(given.scores.items())):
        if (interval := score.difference) is not None:
            sides = [[interval.mean - interval.low], [interval.high - interval.mean]]
            axes.errorbar([interval.mean], [label], xerr=sides, fmt="o", capsize=4, color=BLUE)
    axes.axvline(0, color=GREY, linestyle=":")
    axes.margins(y=0.2)
    axes.set_xlabel(f"Δ {measure.title}, {measure.unit}, to “{given.baseline}”")


def _rows(
    found: Leaderboard,
    board: Board,
    labels: Mapping[str, str],
    further: Mapping[str, Figures],
) -> list[dict[str, str]]:
    first, *others = board.measures
    judged = details.judged(found, board.dataset)
    columns = dict.fromkeys(column for own in further.values() for column in own)
    rows = []
    for variant in found.variants:
        row = {"variant": labels[variant.name], "seeds": str(board.seeds(variant.name))}
        own = board.scores.get(variant.name)
        row[_head(first)] = mean_text(first, own[first.name]) if own else ""
        row["difference"] = row["verdict"] = ""
        if own and (interval := own[first.name].difference) is not None:
            mean, low, high = rounded(interval, first.digits)
            row |= {"difference": f"{mean} ({low} to {high})", "verdict": own[first.name].verdict}
        for measure in others:
            row[_head(measure)] = mean_text(measure, own[measure.name]) if own else ""
        if len(judged) > 1:
            row["Gram distance"] = _gram(judged, variant.name, found.baseline.name)
        figures = [further[str(job.folder)] for job in variant.done.values()]
        for column in columns:
            own_values = [each[column] for each in figures if column in each]
            row[column] = _spread(own_values) if own_values else ""
        row["time"] = duration(variant.seconds)
        rows.append(row)
    for method, means in board.beside.items():
        row = dict.fromkeys(rows[0], "") | {"variant": method}
        rows.append(row | {_head(each): each.text(means[each.name]) for each in board.measures})
    return rows


def _gram(judged: Mapping[str, Mapping[str, float]], name: str, baseline: str) -> str:
    """Mean over seeds; and the change to the baseline's under each seed, mean ± deviation.

    Under another seed there is another judge: distances differ from seed to seed far more than
    they change.
    """
    if not (own := judged.get(name, {})):
        return ""
    mean = f"{statistics.fmean(own.values()):.3g}"
    if name == baseline:
        return mean
    changes = [100 * (distance / judged[baseline][seed] - 1) for seed, distance in own.items()]
    spread = f" ± {statistics.stdev(changes):.0f}" if len(changes) > 1 else ""
    return f"{mean} ({statistics.fmean(changes):+.0f}{spread} %)"


def _further(study: Study, job: Job) -> Figures:
    return study.more(job.folder) if study.more is not None else {}


def _head(measure: Measure) -> str:
    unit = f", {measure.unit}" if measure.unit else ""
    return measure.title + unit + ("" if measure.higher_is_better else " ↓")


def _spread(values: Sequence[float]) -> str:
    mean = statistics.fmean(values)
    shown = f"{mean:.4g}" if abs(mean) < 1e4 else f"{mean:,.0f}"
    return f"{shown} ± {statistics.stdev(values):.2g}" if len(values) > 1 else shown


def _origin(found: Leaderboard) -> str:
    """When, on what, and with which overrides."""
    done = [job for job in found.jobs if job.done]
    if not done:
        return "No job is done yet."
    day = max(job.manifest["started"] for job in done)[:10]
    commits = dict.fromkeys(str(job.manifest["commit"])[:10] for job in done)
    given = [each for each in done[0].overrides if all(each in job.overrides for job in done)]
    shown = [each for each in given if not (_key(each) in HERE_ONLY or _key(each).endswith("root"))]
    return (
        f"{len(done)} of {len(found.jobs)} jobs, the last one begun on {day}, on "
        f"{'; '.join(machines(found))}, commit {', '.join(commits)}"
        f"{', all with ' if shown else ''}{' '.join(f'`{each}`' for each in shown)}. Written "
        f"{datetime.now(UTC):%Y-%m-%d}."
    )
