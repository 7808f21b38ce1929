"""Does the realism vector mean something? Train stage 1, then ask it about unseen photographs.

    python experiments/realism_vector/study.py <photographs> <held-out photographs>
        [--seeds 0 1 2] [--samples 2048] [--threads 2] [--runs <folder>]

Both are folders of images. The table is written into README.md beside this file, between its two
markers, and as table.csv.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import torch
from omegaconf import OmegaConf
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from mtlsr.data.images import find_images
from mtlsr.data.loader import build_loader
from mtlsr.data.samples import SampleDataset
from mtlsr.runs import build, life, photographs

HERE = Path(__file__).parent
BATCH = 64


def train(folder: Path, photographs: Path, seed: int, threads: int) -> None:
    """Train stage 1 unless its folder holds it already."""
    manifest = folder / "manifest.json"
    if manifest.exists() and json.loads(manifest.read_text())["status"] == "done":
        return
    command = [sys.executable, "-m", "mtlsr.train", "experiment=realism_vector", f"seed={seed}"]
    command += ["dataset=folder", f"dataset.root={photographs}", f"hydra.run.dir={folder}"]
    command += ["logger=csv", "trainer.progress=false", f"trainer.threads={threads}"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


@torch.inference_mode()
def measure(folder: Path, held_out: Path, count: int) -> dict[str, float]:
    """Rank correlations of every strength, and how well clean is told from degraded."""
    manifest = json.loads((folder / "manifest.json").read_text())
    cfg = OmegaConf.create({**manifest["config"], "stage1": str(folder)})
    model = build.networks(cfg)
    life.start_weights(cfg, model)
    generator = photographs.degradation(cfg.degradation.realism)
    samples = SampleDataset(
        photographs.store(cfg, find_images(held_out)),
        cfg.scale,
        cfg.schedule.realism.patch,
        seed=0,
        degradation=generator,
        stream=photographs.STREAMS["validation"],
        with_hr=False,
    )
    said, odds, true = [], [], []
    for batch in build_loader(samples, BATCH, -(-count // BATCH)):
        output = model.eval().realism(batch.floats().lr)
        said.append(output.vector)
        odds.append(output.logit)
        true.append(batch.degradation)
    said, odds, true = (torch.cat(parts)[:count].numpy() for parts in (said, odds, true))

    found = {"seconds": float(manifest["seconds"]["realism"]), "samples": float(count)}
    for name, ours, theirs in zip(generator.names, said.T, true.T, strict=True):
        present = theirs > 0
        found[f"{name} samples"] = float(present.sum())
        found[name] = float(spearmanr(ours[present], theirs[present]).statistic)
    found["AUC"] = float(roc_auc_score(true.any(axis=1), odds))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=2048, help="of held-out photographs")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--runs", type=Path, default=Path("outputs/realism_vector"))
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    rows = []
    for seed in asked.seeds:
        folder = asked.runs.resolve() / str(seed)
        train(folder, asked.photographs.resolve(), seed, asked.threads)
        rows.append({"seed": seed, **measure(folder, asked.held_out, asked.samples)})

    with (HERE / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    titles = ["blur", "noise", "jpeg", "anisotropy", "resampling", "AUC", "seconds"]
    lines = ["| seed | " + " | ".join(titles) + " |", "| --- " * (len(titles) + 1) + "|"]
    for row in [*rows, None]:
        values = [
            row[title] if row else statistics.mean(each[title] for each in rows) for title in titles
        ]
        cells = [f"{value:.3f}" for value in values[:-1]] + [f"{values[-1]:.0f}"]
        lines.append(f"| {row['seed'] if row else 'mean'} | " + " | ".join(cells) + " |")
    page = HERE / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- table -->\n")
    after = rest.partition("<!-- end -->")[2]
    table = "\n".join(lines)
    page.write_text(f"{before}<!-- table -->\n{table}\n<!-- end -->{after}", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
