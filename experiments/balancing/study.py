"""How do the methods of balancing compare? The same training once with each, over seeds, paired.

    python -m experiments.balancing.study [--methods fixed upgrad ...] [--form exact] [--jobs 2]
        [--threads 1] [--seeds 0] [--steps 1000] [--loss default] [--photographs <folder>]
        [--runs <folder>]

Each seed trains stage 1 once; every method starts stage 2 from it and sees the same samples. They
are measured on the photographs that `dataset=photos` holds out, and on `--photographs`. The tables
are written into README.md beside this file, every photograph's figures into table.csv.
"""

import argparse
import csv
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from experiments.common import SCALE, images, markdown, train, write_csv, write_table
from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationPair
from mtlsr.metrics import Protocol, measure
from mtlsr.metrics.paired import paired_interval
from mtlsr.objective.balancing.table import FIXED, METHODS
from mtlsr.runs.terms import finished_stage, photograph_terms

HERE = Path(__file__).parent
TERMS = ("smoothness", "realism", "structure")
"""The terms that take part."""
Rows = list[dict[str, object]]


def measured(run: Path | None, sets: dict[str, list[EvaluationPair]]) -> Rows:
    """Figures of every photograph: of a finished run, or of bicubic interpolation."""
    protocol = Protocol.preset("literature", SCALE)
    stage = None if run is None else finished_stage(run)
    rows: Rows = []
    for name, pair in ((name, pair) for name, pairs in sets.items() for pair in pairs):
        if stage is None:
            sr = interpolate(pair.lr, SCALE, "bicubic")
        else:
            sr = stage.enlarge(pair).numpy()
        terms = {} if stage is None else photograph_terms(stage, pair)
        own = {term: terms.get(term, "") for term in TERMS}
        figures = measure(sr, pair.hr, protocol).as_dict()
        rows.append({"set": name, "image": pair.name, **figures, **own})
    return rows


def shares(run: Path) -> str:
    """Mean weight of each term over the second half of the steps, or nothing without balancing."""
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("restoration/smoothness/balance")]
    later = [row for row in rows if int(row["step"]) >= int(rows[-1]["step"]) / 2]
    means = (statistics.mean(float(r[f"restoration/{t}/balance"]) for r in later) for t in TERMS)
    return " / ".join(f"{mean:.2g}" for mean in means) if later else "1 / 1 / 1"


def table(rows: Rows, methods: list[str], seeds: list[int], runs: Path) -> str:
    """One line a method: figures of a set, against the plain sum's and against bicubic's."""

    def values(method: str, name: str) -> np.ndarray:
        """(seeds, images)"""
        own = [row for row in rows if row["method"] == method]
        return np.array([[r[name] for r in own if r["seed"] == s] for s in seeds], dtype=float)

    plain = np.array([r["psnr_y"] for r in rows if r["method"] == "bicubic"], dtype=float)
    lines = [["bicubic", f"{plain.mean():.2f}", *6 * [""]]]
    for method in methods:
        score = values(method, "psnr_y")
        change = "" if method == FIXED else str(paired_interval(score - values(FIXED, "psnr_y")))
        lines.append(
            [
                f"`{method}`",
                f"{score.mean():.2f}",
                change,
                f"{(score - plain).min():+.2f}",
                f"{(score > plain).mean():.0%}",
                f"{values(method, 'ssim_y').mean():.4f}",
                f"{values(method, 'realism').mean():.3g}",
                shares(runs / f"{method}_{seeds[0]}"),
            ]
        )
    titles = ["method", "PSNR-Y, dB", "Δ to fixed", "least gain over bicubic", "better than it"]
    return markdown([*titles, "SSIM-Y", "style distance", "weights λ1 / λ2 / λ3"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=[FIXED, *METHODS], help="fixed is needed")
    parser.add_argument("--form", default="exact", choices=["exact", "cheap"])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--steps", type=int, default=1000, help="steps of stage 2")
    parser.add_argument("--loss", default="default", help="of the group `loss`")
    parser.add_argument("--photographs", type=Path, help="images to measure on, too")
    parser.add_argument("--runs", type=Path, default=Path("outputs/balancing"))
    asked = parser.parse_args()
    runs = asked.runs.resolve()
    loss = f"loss={asked.loss}"

    def stage1(seed: int) -> None:
        train(
            runs / f"stage1_{seed}", f"seed={seed}", "stages=[realism]", loss, threads=asked.threads
        )

    def stage2(job: tuple[int, str]) -> None:
        seed, method = job
        given = [f"seed={seed}", "stages=[restoration]", f"stage1={runs}/stage1_{seed}", loss]
        given += [f"schedule.restoration.steps={asked.steps}", f"balancing={method}"]
        if method in METHODS and METHODS[method].gramian:
            given.append(f"balancing.form={asked.form}")
        train(runs / f"{method}_{seed}", *given, threads=asked.threads)

    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(stage1, asked.seeds))
        list(pool.map(stage2, [(seed, name) for seed in asked.seeds for name in asked.methods]))

    torch.set_num_threads(asked.threads)
    sets = images(asked.photographs)
    rows: Rows = [{"method": "bicubic", "seed": "", **row} for row in measured(None, sets)]
    for method in asked.methods:
        for seed in asked.seeds:
            run = runs / f"{method}_{seed}"
            rows += [{"method": method, "seed": seed, **row} for row in measured(run, sets)]
    write_csv(HERE / "table.csv", rows)
    for name in sets:
        of_set = [row for row in rows if row["set"] == name]
        write_table(HERE / "README.md", table(of_set, asked.methods, asked.seeds, runs), name)


if __name__ == "__main__":
    main()
