"""Does the realism vector mean something? Train stage 1, then ask it about unseen photographs.

    python -m experiments.realism_vector.study <photographs> <held-out photographs>
        [--seeds 0 1 2] [--samples 2048] [--threads 2] [--runs <folder>]

Both are folders of images. The table is written into README.md beside this file, between its two
markers, and as table.csv.
"""

import argparse
import statistics
from pathlib import Path
from typing import cast

import torch
from omegaconf import OmegaConf
from sklearn.metrics import roc_auc_score

from experiments.common import markdown, rank_correlations, train, write_table
from mtlsr.data.images import find_images
from mtlsr.data.loader import build_loader
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store
from mtlsr.files import write_csv
from mtlsr.networks.base import RealismNet
from mtlsr.runs import build, photographs, starting
from mtlsr.runs.manifest import read_manifest

HERE = Path(__file__).parent
BATCH = 64


@torch.inference_mode()
def measure(folder: Path, held_out: Path, count: int) -> dict[str, float]:
    """Rank correlations of every strength, and how well clean is told from degraded."""
    manifest = read_manifest(folder, "run")
    cfg = OmegaConf.create({**manifest["config"], "stage1": str(folder)})
    model = build.networks(cfg)
    starting.start_weights(cfg, model)
    generator = photographs.degradation(cfg.degradation.realism)
    samples = SampleDataset(
        Store.open(find_images(held_out), cfg.scale, photographs.cache_folder(cfg)),
        cfg.schedule.realism.patch,
        seed=0,
        degradation=generator,
        stream=photographs.STREAMS["validation"],
        with_hr=False,
    )
    realism = cast(RealismNet, model.eval().realism)  # of a stage 1 there is one
    seen = []
    for batch in build_loader(samples, BATCH, -(-count // BATCH)):
        output = realism(batch.floats().lr)
        seen.append((output.vector, output.logit, batch.degradation))
    said, odds, true = (torch.cat(parts)[:count].numpy() for parts in zip(*seen, strict=True))

    found = {"seconds": float(manifest["seconds"]["realism"]), "samples": float(count)}
    for name, (present, rank) in zip(generator.names, rank_correlations(said, true), strict=True):
        found[f"{name} samples"] = float(present)
        found[name] = rank
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
        chosen = ["experiment=realism_vector", f"seed={seed}", "dataset=folder"]
        chosen.append(f"dataset.root={asked.photographs.resolve()}")
        train(folder, *chosen, threads=asked.threads)
        rows.append({"seed": seed, **measure(folder, asked.held_out, asked.samples)})

    write_csv(HERE / "table.csv", rows)
    titles = ["blur", "noise", "jpeg", "anisotropy", "resampling", "AUC", "seconds"]
    means = {title: statistics.mean(row[title] for row in rows) for title in titles}
    lines = []
    for row in [*rows, {"seed": "mean", **means}]:
        figures = [f"{row[title]:.3f}" for title in titles[:-1]]
        lines.append([str(row["seed"]), *figures, f"{row['seconds']:.0f}"])
    write_table(HERE / "README.md", markdown(["seed", *titles], lines))


if __name__ == "__main__":
    main()
