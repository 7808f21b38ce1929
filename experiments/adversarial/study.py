"""Does the adversarial term bring texture back? Train without and with it, over seeds, paired.

    python experiments/adversarial/study.py [--jobs 2] [--seeds 0 1 2] [--steps 3500]
        [--runs <folder>]

Each seed trains stage 1 once; both variants of stage 2 start from it and see the same samples. The
table is written into README.md beside this file, between its two markers, and every photograph's
figures as table.csv.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mtlsr.data.datasets import find_dataset
from mtlsr.metrics import Protocol, psnr, texture_distance
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.runs.results import Method, bicubic, network

HERE = Path(__file__).parent
SCALE = 4
PROTOCOL = Protocol.preset("literature", SCALE)
VARIANTS = {"without": [], "with": ["loss=adversarial"]}
FIGURES = ("texture", "psnr_y")


def train(folder: Path, *overrides: str, threads: int) -> None:
    """Train one run unless its folder holds it already."""
    manifest = folder / "manifest.json"
    if manifest.exists() and json.loads(manifest.read_text())["status"] == "done":
        return
    command = [sys.executable, "-m", "mtlsr.train", f"hydra.run.dir={folder}", "logger=csv"]
    command += ["trainer.progress=false", f"trainer.threads={threads}", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def measure(method: Method) -> list[dict[str, float | str]]:
    """Figures of every held-out photograph."""
    photographs = find_dataset("photos")
    pairs = [pair for split in ("test", "val") for pair in photographs.evaluation(split, SCALE)]
    rows: list[dict[str, float | str]] = []
    for pair in pairs:
        sr = method(pair)
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


def interval(differences: NDArray[np.float64], draws: int = 10_000) -> tuple[float, float]:
    """95 % interval of the mean of (seeds, images): a bootstrap that draws both again."""
    rng = np.random.default_rng(0)
    seeds, images = differences.shape
    means = [
        differences[rng.integers(seeds, size=seeds)][:, rng.integers(images, size=images)].mean()
        for _ in range(draws)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


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
    rows = [{"variant": "bicubic", "seed": "", **row} for row in measure(bicubic(SCALE))]
    values: dict[str, NDArray[np.float64]] = {}
    for variant in VARIANTS:
        found = []
        for seed in asked.seeds:
            model, _ = load_model(model_folder(runs / f"{variant}_{seed}"))
            found.append(measure(network(model)))
            rows += [{"variant": variant, "seed": seed, **row} for row in found[-1]]
        values[variant] = np.array([[[row[k] for k in FIGURES] for row in each] for each in found])
    with (HERE / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)

    shares = [ranked_rightly(runs / f"with_{seed}") for seed in asked.seeds]
    ranked = {"with": ", ".join(f"{share:.2f}" for share in shares)}
    titles = ["variant", "texture distance", "PSNR-Y, dB", "ranked rightly, by seed"]
    lines = [" | ".join(["", *titles, ""]).strip(), "| --- " * len(titles) + "|"]
    plain = [
        statistics.mean(float(r[k]) for r in rows if r["variant"] == "bicubic") for k in FIGURES
    ]
    lines.append(f"| bicubic | {plain[0]:.3f} | {plain[1]:.2f} |  |")
    for variant, value in values.items():
        seeds = value.mean(axis=1)
        spread = seeds.std(axis=0, ddof=1) if len(seeds) > 1 else np.zeros(len(FIGURES))
        (texture, score), (noise, deviation) = seeds.mean(axis=0), spread
        lines.append(
            f"| {variant} | {texture:.3f} ± {noise:.3f} | {score:.2f} ± {deviation:.2f} "
            f"| {ranked.get(variant, '')} |"
        )
    differences = values["with"] - values["without"]
    cells = []
    for index, digits in enumerate((3, 2)):
        low, high = interval(differences[..., index])
        mean = differences[..., index].mean()
        cells.append(f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]")
    lines.append(f"| difference, 95 % interval | {' | '.join(cells)} |  |")
    page = HERE / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->")[2]
    table = "\n".join(lines)
    page.write_text(f"{before}<!-- table -->\n{table}\n<!-- end -->{after}", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
