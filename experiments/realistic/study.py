"""Is the set for degraded photographs worth having? Degrade photographs, enlarge, and compare.

    python -m experiments.realistic.study <held-out photographs> [<label>=<run or name> ...]
        [--samples 3] [--threads 2]

Every photograph is degraded by `degradation=realistic`, differently in each sample, and enlarged by
bicubic interpolation and by each set of weights. The last one, by default x4_real after x4, is
compared with all before it, apart on the samples that the generator left clean. The tables are
written into README.md beside this file, every figure into table.csv, pictures into four.webp.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from experiments.common import SCALE, markdown, rank_correlations, write_table
from mtlsr.data.degradation import realistic
from mtlsr.data.images import find_images
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.files import write_csv
from mtlsr.inference.conversion import to_network
from mtlsr.inference.methods.base import Method
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import Protocol, measures
from mtlsr.metrics.paired import paired_interval
from mtlsr.networks.base import RealismNet
from mtlsr.networks.folder import load_model, model_folder

HERE = Path(__file__).parent
PROTOCOL = Protocol.preset("literature", SCALE)
MEASURED = measures(["psnr_y", "ssim_y", "gmsd", "texture", "niqe"])
MODELS = {"x4": "x4", "x4_real": "x4_real"}
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


def quality(
    found: Mapping[str, Sequence[dict[str, float]]],
    pairs: Sequence[tuple[EvaluationPair, np.ndarray]],
    clean: bool,
) -> str:
    """Of the samples that are clean, or of the degraded: a line for each method, and one for each
    difference with its interval over photographs, each of which counts once."""
    places: dict[str, list[int]] = {}
    for place, (pair, strengths) in enumerate(pairs):
        if strengths.any() != clean:
            places.setdefault(pair.name, []).append(place)

    def values(method: str, measure: str) -> np.ndarray:
        rows = found[method]
        own = [[rows[place][measure] for place in each] for each in places.values()]
        return np.array([np.mean(each) for each in own])

    lines = [
        [method, *(m.text(values(method, n).mean()) for n, m in MEASURED.items())]
        for method in found
    ]
    *others, ours = found
    for other in others:
        apart = [values(ours, n) - values(other, n) for n in MEASURED]
        lines.append([f"{ours} - {other}", *(str(paired_interval(each[None])) for each in apart)])
    count = sum(map(len, places.values()))
    head = f"{count} low resolutions of {len(places)} photographs"
    return markdown([head, *(measure.title for measure in MEASURED.values())], lines)


@torch.inference_mode()
def vector(stage1: RealismNet, pairs: Sequence[tuple[EvaluationPair, np.ndarray]]) -> str:
    """Rank correlation of what stage 1 says with what was done, where it was done."""
    said = torch.cat([stage1(to_network(pair.lr)).reading for pair, _ in pairs]).numpy()
    true = np.stack([strengths for _, strengths in pairs])
    found = zip(realistic.names, rank_correlations(said, true), strict=True)
    lines = [[name, str(count), f"{rank:.2f}"] for name, (count, rank) in found if count >= LEAST]
    return markdown(["degradation", "low resolutions with it", "rank correlation"], lines)


def labelled(text: str) -> tuple[str, str]:
    """What a set is called, and its run or name."""
    label, given, model = text.partition("=")
    if not (given and label and model):
        raise argparse.ArgumentTypeError(f"{text!r} is not <label>=<run or name>.")
    return label, model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path)
    parser.add_argument("models", type=labelled, nargs="*", metavar="label=model")
    parser.add_argument("--samples", type=int, default=3, help="degradations of a photograph")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)

    pairs = degraded(asked.photographs, asked.samples)
    given = dict(asked.models) or MODELS
    models = {label: load_model(model_folder(model))[0] for label, model in given.items()}
    methods: dict[str, Method] = {"bicubic": Interpolation("bicubic")}
    methods |= {label: own_network(model, Settings()) for label, model in models.items()}
    found = {name: figures(method, [pair for pair, _ in pairs]) for name, method in methods.items()}
    shown = [pairs[n * asked.samples][0] for n in PICTURED if n * asked.samples < len(pairs)]
    if shown:
        picture(HERE / "four.webp", methods, shown)
    write_csv(
        HERE / "table.csv",
        [
            {"method": name, "image": pair.name, "clean": int(not strengths.any()), **row}
            for name, rows in found.items()
            for (pair, strengths), row in zip(pairs, rows, strict=True)
        ],
    )
    for part in ("degraded", "clean"):
        write_table(HERE / "README.md", quality(found, pairs, part == "clean"), part)
    *_, trained = models.values()
    assert trained.realism is not None
    write_table(HERE / "README.md", vector(trained.realism.eval(), pairs), "vector")


if __name__ == "__main__":
    main()
