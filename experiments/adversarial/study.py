"""Does the adversarial term bring texture back? Train without and with it, over seeds, paired.

    python -m experiments.adversarial.study [--photographs <folder>] [--jobs 2] [--seeds 0 1 2]
        [--steps 3500] [--runs <folder>]

Each seed trains stage 1 once; both variants of stage 2 start from it and see the same samples. They
are measured on the photographs that `dataset=photos` holds out, and on `--photographs`. The tables
are written into README.md beside this file, every photograph's figures into table.csv.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from experiments.common import SCALE, images, markdown, train_from_one_stage1, write_table
from mtlsr.data.pairs import EvaluationPair
from mtlsr.files import read_csv, write_csv
from mtlsr.inference.methods.base import Method
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import Protocol, psnr, texture_distance
from mtlsr.metrics.paired import paired_interval
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.runs.tracking import METRICS

HERE = Path(__file__).parent
PROTOCOL = Protocol.preset("literature", SCALE)
VARIANTS = {"without": [], "with": ["loss=adversarial"]}


def measure(method: Method, pairs: Sequence[EvaluationPair]) -> list[dict[str, float | str]]:
    """Figures of every photograph."""
    rows: list[dict[str, float | str]] = []
    for pair in pairs:
        (sr,) = method([pair])
        texture = texture_distance(sr, pair.hr, PROTOCOL)
        rows.append({"image": pair.name, "texture": texture, "psnr_y": psnr(sr, pair.hr, PROTOCOL)})
    return rows


def ranked_rightly(folder: Path) -> float:
    """Share of the pairs that the discriminator ranked rightly in the second half of the steps."""
    found = [
        (int(row["step"]), float(row["restoration/adversarial/right"]))
        for row in read_csv(folder / METRICS)
        if row["restoration/adversarial/right"]
    ]
    return statistics.mean(share for step, share in found if step >= found[-1][0] / 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=Path, help="images to measure on, too")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=3500, help="steps of stage 2")
    parser.add_argument("--runs", type=Path, default=Path("outputs/adversarial"))
    asked = parser.parse_args()
    runs = asked.runs.resolve()
    given = [f"schedule.restoration.steps={asked.steps}", "trainer.log_every=10"]
    train_from_one_stage1(
        runs,
        asked.seeds,
        {name: [*given, *overrides] for name, overrides in VARIANTS.items()},
        jobs=asked.jobs,
        threads=asked.threads,
    )
    torch.set_num_threads(asked.threads)
    shares = [ranked_rightly(runs / f"with_{seed}") for seed in asked.seeds]
    said = ", ".join(f"{share:.2f}" for share in shares)
    methods: dict[tuple[str, int | str], Method] = {("bicubic", ""): Interpolation("bicubic")}
    for variant in VARIANTS:
        for seed in asked.seeds:
            model, _ = load_model(model_folder(runs / f"{variant}_{seed}"))
            methods[variant, seed] = own_network(model, Settings())
    rows = [
        {"set": name, "variant": variant, "seed": seed, **row}
        for name, pairs in images(asked.photographs).items()
        for (variant, seed), method in methods.items()
        for row in measure(method, pairs)
    ]
    write_csv(HERE / "table.csv", rows)
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        write_table(HERE / "README.md", table(own, asked.seeds, said), str(name))


def table(rows: list[dict[str, float | str]], seeds: Sequence[int], shares: str) -> str:
    """A line for bicubic, for each variant, and for their difference."""

    def values(variant: str, name: str, seed: int | str) -> list[float]:
        found = [r for r in rows if r["variant"] == variant and r["seed"] == seed]
        return [float(row[name]) for row in found]

    lines = [["bicubic"], *([variant] for variant in VARIANTS), ["difference, 95 % interval"]]
    for name, digits in (("texture", 3), ("psnr_y", 2)):
        both = {v: np.array([values(v, name, seed) for seed in seeds]) for v in VARIANTS}
        lines[0].append(f"{statistics.mean(values('bicubic', name, '')):.{digits}f}")
        for line, value in zip(lines[1:-1], both.values(), strict=True):
            means = value.mean(axis=1)
            spread = means.std(ddof=1) if len(seeds) > 1 else 0.0
            line.append(f"{means.mean():.{digits}f} ± {spread:.{digits}f}")
        lines[-1].append(str(paired_interval(both["with"] - both["without"])))
    for line in lines:
        line.append(shares if line[0] == "with" else "")
    titles = ["variant", "texture distance", "PSNR-Y, dB", "ranked rightly, by seed"]
    return markdown(titles, lines)


if __name__ == "__main__":
    main()
