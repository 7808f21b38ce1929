"""Is every term at work? Train the default, then each λ set to 0, over seeds, on paired data.

    python experiments/default_terms/study.py [--jobs 2] [--seeds 0 1 2] [--runs <folder>]

Each seed trains stage 1 once; all variants of stage 2 start from it and see the same samples. The
table is written into README.md beside this file, between its two markers, and as table.csv.
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

HERE = Path(__file__).parent
VARIANTS = {
    "default": [],
    "λ2 = 0": ["loss.lambda2=0"],
    "λ3 = 0": ["loss.lambda3=0"],
    "λ4 = 0": ["loss.lambda4=0"],
    "λ1 alone": ["loss=single_task"],
}
TERMS = ("smoothness", "realism", "structure", "anchor")
OFF = {"λ2 = 0": "realism", "λ3 = 0": "structure", "λ4 = 0": "anchor"}
"""Variant -> the term whose raw value it should change by at least 10 %."""
HELD_OUT = {"photos": 2, "photos-val": 1}


def train(folder: Path, *overrides: str, threads: int) -> None:
    """Train one run unless its folder holds it already."""
    manifest = folder / "manifest.json"
    if manifest.exists() and json.loads(manifest.read_text())["status"] == "done":
        return
    command = [sys.executable, "-m", "mtlsr.train", f"hydra.run.dir={folder}", "logger=csv"]
    command += ["trainer.progress=false", f"trainer.threads={threads}", *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


def mean(folder: Path, file: str, *keys: str) -> float:
    """Mean over the held-out photographs of a value of results.json or terms.json."""
    found = json.loads((folder / file).read_text())
    total = 0.0
    for dataset, images in HELD_OUT.items():
        value = found.get("datasets", found)[dataset]
        for key in keys:
            value = value[key]
        total += images * value
    return total / sum(HELD_OUT.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("outputs/default_terms"))
    asked = parser.parse_args()
    runs = asked.runs.resolve()

    def stage1(seed: int) -> None:
        folder = runs / f"stage1_{seed}"
        train(folder, f"seed={seed}", "stages=[realism]", threads=asked.threads)

    def stage2(job: tuple[int, str]) -> None:
        seed, variant = job
        given = [f"seed={seed}", "stages=[restoration]", f"stage1={runs}/stage1_{seed}"]
        folder = runs / f"{list(VARIANTS).index(variant)}_{seed}"
        train(folder, *given, *VARIANTS[variant], threads=asked.threads)

    with ThreadPoolExecutor(asked.jobs) as pool:
        list(pool.map(stage1, asked.seeds))
        list(pool.map(stage2, [(seed, name) for seed in asked.seeds for name in VARIANTS]))

    rows = []
    for index, variant in enumerate(VARIANTS):
        folders = [runs / f"{index}_{seed}" for seed in asked.seeds]
        row: dict[str, object] = {"variant": variant}
        values = {name: [mean(folder, "terms.json", name) for folder in folders] for name in TERMS}
        for name, raws in values.items():
            row[name] = statistics.mean(raws)
            base = [mean(runs / f"0_{seed}", "terms.json", name) for seed in asked.seeds]
            changes = [100 * (a / b - 1) for a, b in zip(raws, base, strict=True)]
            row[f"{name} change %"] = statistics.mean(changes)
            row[f"{name} least change %"] = min(changes, key=abs)
        psnr = [mean(folder, "results.json", "mtlsr", "psnr_y") for folder in folders]
        row["psnr_y"] = statistics.mean(psnr)
        row["psnr_y deviation"] = statistics.stdev(psnr) if len(psnr) > 1 else 0.0
        rows.append(row)

    with (HERE / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    titles = ["variant", "PSNR-Y, dB", *TERMS, "change of its own term"]
    lines = [" | ".join(["", *titles, ""]).strip(), "| --- " * len(titles) + "|"]
    for row in rows:
        own = OFF.get(str(row["variant"]))
        change = ""
        if own is not None:
            mean_change, least = row[f"{own} change %"], row[f"{own} least change %"]
            change = f"{mean_change:+.0f} % (weakest seed {least:+.0f} %)"
        score = f"{row['psnr_y']:.2f} ± {row['psnr_y deviation']:.2f}"
        cells = [str(row["variant"]), score, *(f"{row[name]:.3g}" for name in TERMS), change]
        lines.append(" | ".join(["", *cells, ""]).strip())
    page = HERE / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->")[2]
    table = "\n".join(lines)
    page.write_text(f"{before}<!-- table -->\n{table}\n<!-- end -->{after}", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
