"""What does each term do? The default, then each λ set to 0, over seeds, on paired data.

    python -m experiments.terms.study [--photographs <folder>] [--degradations bicubic classical]
        [--jobs 2] [--threads 1] [--seeds 0 1 2] [--runs <folder>]

Each seed trains stage 1 once for each degradation; all variants of stage 2 start from it and see
the same samples. They are measured on the photographs that `dataset=photos` holds out, and on
`--photographs`. The tables are written into README.md beside this file, every value into
<degradation>.csv.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from omegaconf import OmegaConf

from experiments.common import SCALE, images, markdown, train_from_one_stage1, write_table
from mtlsr.data.pairs import EvaluationPair
from mtlsr.files import write_csv
from mtlsr.metrics import Protocol, measure
from mtlsr.metrics.paired import paired_interval
from mtlsr.runs import photographs
from mtlsr.runs.manifest import read_manifest
from mtlsr.runs.terms import edge_error, finished_stage, photograph_terms

HERE = Path(__file__).parent
VARIANTS = {
    "default": [],
    "λ2 = 0": ["loss.lambda2=0"],
    "λ3 = 0": ["loss.lambda3=0"],
    "λ4 = 0": ["loss.lambda4=0"],
    "λ1 alone": ["loss=single_task"],
}
PLACES = {variant: str(number) for number, variant in enumerate(VARIANTS)}
"""Variant -> what its runs' folders begin with."""
OFF = {"λ2 = 0": "realism", "λ3 = 0": "structure", "λ4 = 0": "anchor"}
"""Variant -> the term whose raw value it should change by at least 10 %."""
Rows = list[dict[str, object]]


def spoiled_pair(pair: EvaluationPair, number: int, run: Path) -> EvaluationPair:
    """A photograph whose low resolution is degraded as the run's stage 2 sees it; never by seed."""
    cfg = OmegaConf.create(read_manifest(run, "run")["config"])
    degradation = photographs.degradation(cfg.degradation)
    rng = np.random.default_rng([photographs.STREAMS["validation"], number])
    lr = degradation.degrade(pair.lr, degradation.sample(rng), rng)
    return EvaluationPair(pair.name, lr, pair.hr)


def measured(run: Path, pairs: Sequence[EvaluationPair]) -> Rows:
    """Every figure of every photograph, as the finished run has it."""
    stage = finished_stage(run)
    protocol = Protocol.preset("literature", SCALE)
    rows: Rows = []
    for number, pair in enumerate(pairs):
        pair = spoiled_pair(pair, number, run)
        scores = measure(stage.enlarge(pair).numpy(), pair.hr, protocol)
        terms = photograph_terms(stage, pair) | {"edges": edge_error(stage, pair)}
        rows.append({"image": pair.name, **scores.as_dict(), **terms})
    return rows


def table(rows: Rows, seeds: Sequence[int]) -> str:
    """One line a variant: figures, and how they differ from the default's."""

    def values(variant: str, name: str) -> np.ndarray:
        """(seeds, images)"""
        own = [row for row in rows if row["variant"] == variant]
        return np.array([[r[name] for r in own if r["seed"] == s] for s in seeds], dtype=float)

    def change(variant: str, name: str) -> str:
        """Of the mean over the photographs, in per cent; the weakest seed behind it."""
        means = values(variant, name).mean(axis=1) / values("default", name).mean(axis=1)
        changes = (100 * (means - 1)).tolist()
        return f"{statistics.mean(changes):+.0f} % (weakest seed {min(changes, key=abs):+.0f} %)"

    lines = []
    for variant in VARIANTS:
        psnr = values(variant, "psnr_y").mean(axis=1).tolist()
        spread = statistics.stdev(psnr) if len(psnr) > 1 else 0.0
        cells = [variant, f"{statistics.mean(psnr):.2f} ± {spread:.2f}"]
        for name in ("psnr_y", "ssim_y", "edges", "realism"):
            if variant == "default":
                cells.append(f"{values(variant, name).mean():.4g}" if name != "psnr_y" else "")
            else:
                cells.append(str(paired_interval(values(variant, name) - values("default", name))))
        cells.append(change(variant, OFF[variant]) if variant in OFF else "")
        lines.append(cells)
    titles = ["variant", "PSNR-Y, dB", "Δ PSNR-Y", "Δ SSIM-Y", "Δ edge error", "Δ Gram distance"]
    return markdown([*titles, "change of its own term"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, help="images to measure on, too")
    parser.add_argument("--degradations", nargs="+", default=["bicubic", "classical"])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("outputs/terms"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    sets = images(asked.photographs)
    for degradation in asked.degradations:
        runs = asked.runs.resolve() / degradation
        train_from_one_stage1(
            runs,
            asked.seeds,
            {place: VARIANTS[variant] for variant, place in PLACES.items()},
            f"degradation={degradation}",
            jobs=asked.jobs,
            threads=asked.threads,
        )
        rows: Rows = [
            {"set": name, "variant": variant, "seed": seed, **row}
            for name, pairs in sets.items()
            for variant in VARIANTS
            for seed in asked.seeds
            for row in measured(runs / f"{PLACES[variant]}_{seed}", pairs)
        ]
        write_csv(HERE / f"{degradation}.csv", rows)
        for name in sets:
            own = [row for row in rows if row["set"] == name]
            write_table(HERE / "README.md", table(own, asked.seeds), f"{degradation}, {name}")


if __name__ == "__main__":
    main()
