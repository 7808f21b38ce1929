"""Does the adversarial term bring texture back? Train without and with it, over seeds, paired.

    python -m experiments.adversarial.study [--jobs 2] [--seeds 0 1 2] [--steps 3500]
        [--runs <folder>]

Each seed trains stage 1 once; both variants of stage 2 start from it and see the same samples. The
table is written into README.md beside this file, between its two markers, and every photograph's
figures as table.csv.
"""

import argparse
import csv
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.common import SCALE, images, markdown, train, write_csv, write_table
from mtlsr.inference.methods.base import Method
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, resolver
from mtlsr.metrics import Protocol, psnr, texture_distance
from mtlsr.metrics.paired import paired_interval
from mtlsr.networks.folder import load_model, model_folder

HERE = Path(__file__).parent
PROTOCOL = Protocol.preset("literature", SCALE)
VARIANTS = {"without": [], "with": ["loss=adversarial"]}
FIGURES = ("texture", "psnr_y")


def measure(method: Method) -> list[dict[str, float | str]]:
    """Figures of every held-out photograph."""
    rows: list[dict[str, float | str]] = []
    for pair in images()["held out"]:
        (sr,) = method([pair])
        texture = texture_distance(sr, pair.hr, PROTOCOL)
        rows.append({"image": pair.name, "texture": texture, "psnr_y": psnr(sr, pair.hr, PROTOCOL)})
    return rows


def ranked_rightly(folder: Path) -> float:
    """Share of the pairs that the discriminator ranked rightly in the second half of the steps."""
    with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
        found = [
            (int(row["step"]), float(row["restoration/adversarial/right"]))
            for row in csv.DictReader(file)
            if row["restoration/adversarial/right"]
        ]
    return statistics.mean(share for step, share in found if step >= found[-1][0] / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=3500, help="steps of stage 2")
    parser.add_argument("--runs", type=Path, default=Path("outputs/adversarial"))
    asked = parser.parse_args()
    runs = asked.runs.resolve()

    def stage1(seed: int) -> None:
        folder = runs / f"stage1_{seed}"
        train(folder, f"seed={seed}", "stages=[realism]", threads=asked.threads)

    def stage2(job: tuple[int, str]) -> None:
        seed, variant = job
        given = [f"seed={seed}", "stages=[restoration]", f"stage1={runs}/stage1_{seed}"]
        given += [f"schedule.restoration.steps={asked.steps}", "trainer.log_every=10"]
        train(runs / f"{variant}_{seed}", *given, *VARIANTS[variant], threads=asked.threads)

    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(stage1, asked.seeds))
        list(pool.map(stage2, [(seed, name) for seed in asked.seeds for name in VARIANTS]))

    torch.set_num_threads(asked.threads)
    rows = [{"variant": "bicubic", "seed": "", **row} for row in measure(Interpolation("bicubic"))]
    values: dict[str, NDArray[np.float64]] = {}
    for variant in VARIANTS:
        found = []
        for seed in asked.seeds:
            model, _ = load_model(model_folder(runs / f"{variant}_{seed}"))
            found.append(measure(resolver(model, Settings())))
            rows += [{"variant": variant, "seed": seed, **row} for row in found[-1]]
        values[variant] = np.array([[[row[k] for k in FIGURES] for row in each] for each in found])
    write_csv(HERE / "table.csv", rows)

    plain = [
        statistics.mean(float(r[k]) for r in rows if r["variant"] == "bicubic") for k in FIGURES
    ]
    lines = [["bicubic", f"{plain[0]:.3f}", f"{plain[1]:.2f}", ""]]
    for variant, value in values.items():
        seeds = value.mean(axis=1)
        spread = seeds.std(axis=0, ddof=1) if len(seeds) > 1 else np.zeros(len(FIGURES))
        (texture, score), (noise, deviation) = seeds.mean(axis=0), spread
        lines.append(
            [variant, f"{texture:.3f} ± {noise:.3f}", f"{score:.2f} ± {deviation:.2f}", ""]
        )
    shares = [ranked_rightly(runs / f"with_{seed}") for seed in asked.seeds]
    lines[-1][-1] = ", ".join(f"{share:.2f}" for share in shares)
    differences = values["with"] - values["without"]
    intervals = [str(paired_interval(differences[..., k])) for k in range(len(FIGURES))]
    lines.append(["difference, 95 % interval", *intervals, ""])
    titles = ["variant", "texture distance", "PSNR-Y, dB", "ranked rightly, by seed"]
    write_table(HERE / "README.md", markdown(titles, lines))


if __name__ == "__main__":
    main()
