"""Is the set for degraded photographs worth having? Degrade photographs, enlarge, and compare.

    python -m experiments.realistic.study <held-out photographs> --model <run or name>
        [--first x4] [--samples 3] [--threads 2]

Every photograph is degraded by `degradation=realistic`, differently in each sample, and enlarged by
bicubic interpolation, by the set for clean photographs, and by that for degraded ones. The tables
are written into README.md beside this file, every figure into table.csv, pictures into four.webp.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from experiments.common import SCALE, markdown, rank_correlations, write_csv, write_table
from mtlsr.data.degradation import realistic
from mtlsr.data.images import find_images
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.inference.methods.base import Method
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, resolver
from mtlsr.inference.upscale import to_network
from mtlsr.metrics import Protocol, measures
from mtlsr.metrics.paired import paired_interval
from mtlsr.networks.base import RealismNet
from mtlsr.networks.folder import load_model, model_folder

HERE = Path(__file__).parent
PROTOCOL = Protocol.preset("literature", SCALE)
MEASURED = measures(["psnr_y", "ssim_y", "gmsd", "texture", "niqe"])
LEAST = 8
"""Samples with a degradation, below which no correlation is told."""
PICTURED = (3, 11, 20, 33)
"""Photographs that are shown, from 0, where there are so many; SIDE pixels from their middle."""
SIDE = 256


def degraded(folder: Path, samples: int) -> list[tuple[EvaluationPair, np.ndarray]]:
    """Every photograph with each of its degraded low resolutions, and what was done to them."""
    found = []
    for number, pair in enumerate(EvaluationSet(folder.name, find_images(folder), SCALE)):
        for sample in range(samples):
            rng = np.random.default_rng([number, sample])
            strengths = realistic.sample(rng)
            lr = realistic.degrade(pair.lr, strengths, rng)
            found.append((replace(pair, lr=lr), strengths))
    return found


def figures(method: Method, pairs: Sequence[EvaluationPair]) -> list[dict[str, float]]:
    """Every measure of every pair."""
    rows = []
    for pair in pairs:
        (sr,) = method([pair])
        rows.append({n: m(sr, pair.hr, pair.lr, PROTOCOL) for n, m in MEASURED.items()})
    return rows


def picture(path: Path, methods: Mapping[str, Method], pairs: Sequence[EvaluationPair]) -> None:
    """A row for each photograph: what every method makes of it, and the original."""
    rows = []
    for pair in pairs:
        shown = [*(method([pair])[0] for method in methods.values()), pair.hr]
        top, left = ((side - SIDE) // 2 for side in pair.hr.shape[:2])
        rows.append(np.hstack([each[top : top + SIDE, left : left + SIDE] for each in shown]))
    Image.fromarray(np.vstack(rows)).save(path, quality=80, method=6)


def quality(found: dict[str, list[dict[str, float]]], samples: int) -> str:
    """A line for each method, and one for each difference with its interval over photographs."""
    values = {
        method: {
            name: np.array([row[name] for row in rows]).reshape(-1, samples) for name in MEASURED
        }
        for method, rows in found.items()
    }
    lines = [
        [method, *(f"{own[name].mean():.{m.digits}f}" for name, m in MEASURED.items())]
        for method, own in values.items()
    ]
    *others, ours = values
    for other in others:
        differences = [(values[ours][n] - values[other][n]).mean(axis=1)[None] for n in MEASURED]
        lines.append([f"{ours} - {other}", *(str(paired_interval(d)) for d in differences)])
    return markdown(["", *(measure.title for measure in MEASURED.values())], lines)


@torch.inference_mode()
def vector(stage1: RealismNet, pairs: Sequence[tuple[EvaluationPair, np.ndarray]]) -> str:
    """Rank correlation of what stage 1 says with what was done, where it was done."""
    said = torch.cat([stage1(to_network(pair.lr)).reading for pair, _ in pairs]).numpy()
    true = np.stack([strengths for _, strengths in pairs])
    found = zip(realistic.names, rank_correlations(said, true), strict=True)
    lines = [[name, str(count), f"{rank:.2f}"] for name, (count, rank) in found if count >= LEAST]
    return markdown(["degradation", "low resolutions with it", "rank correlation"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("--model", required=True, help="the set for degraded photographs")
    parser.add_argument("--first", default="x4", help="the set for clean ones")
    parser.add_argument("--samples", type=int, default=3, help="degradations of a photograph")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    pairs = degraded(asked.photographs, asked.samples)
    clean, trained = (load_model(model_folder(name))[0] for name in (asked.first, asked.model))
    methods: dict[str, Method] = {
        "bicubic": Interpolation("bicubic"),
        "clean": resolver(clean, Settings()),
        "degraded": resolver(trained, Settings()),
    }
    found = {name: figures(method, [pair for pair, _ in pairs]) for name, method in methods.items()}
    shown = [pairs[n * asked.samples][0] for n in PICTURED if n * asked.samples < len(pairs)]
    if shown:
        picture(HERE / "four.webp", methods, shown)
    write_csv(
        HERE / "table.csv",
        [
            {"method": name, "image": pair.name, **row}
            for name, rows in found.items()
            for (pair, _), row in zip(pairs, rows, strict=True)
        ],
    )
    write_table(HERE / "README.md", quality(found, asked.samples), "quality")
    assert trained.realism is not None
    write_table(HERE / "README.md", vector(trained.realism.eval(), pairs), "vector")


if __name__ == "__main__":
    main()
