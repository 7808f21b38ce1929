"""Does each network of the literature learn? Two minutes of each, against bicubic interpolation.

    python -m experiments.single_task.study [--networks imdn ...] [--jobs 2] [--threads 1]
        [--photographs <folder>] [--runs <folder>]

They train on `dataset=photos` by the L1 distance alone and are measured on the photographs that it
holds out, and on `--photographs`. The table is written into README.md beside this file, every
photograph's figures into table.csv.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from experiments.common import SCALE, images, in_parallel, markdown, train, write_table
from mtlsr.data.pairs import EvaluationPair
from mtlsr.files import write_csv
from mtlsr.inference.methods.base import Method
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.metrics import Protocol, measure
from mtlsr.networks.folder import load_model, model_folder

HERE = Path(__file__).parent
STEPS = {
    "srcnn": 500,
    "vdsr": 80,
    "edsr_baseline": 250,
    "imdn": 500,
    "rlfn": 500,
    "span": 500,
}
"""Two minutes at the most, on two cores."""
Rows = list[dict[str, object]]


def measured(method: Method, sets: dict[str, list[EvaluationPair]]) -> Rows:
    """Figures of every photograph."""
    protocol = Protocol.preset("literature", SCALE)
    return [
        {"set": name, "image": p.name, **measure(method([p])[0], p.hr, protocol).as_dict()}
        for name, pairs in sets.items()
        for p in pairs
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a training")
    parser.add_argument("--photographs", type=Path, help="images to measure on, too")
    parser.add_argument("--runs", type=Path, default=Path("outputs/single_task"))
    asked = parser.parse_args()
    runs = asked.runs.resolve()

    def one(name: str) -> None:
        given = ["experiment=single_task", f"backbone/single_task={name}"]
        given.append(f"schedule.restoration.steps={STEPS[name]}")
        train(runs / name, *given, threads=asked.threads)

    in_parallel(asked.jobs, one, asked.networks)

    torch.set_num_threads(asked.threads)
    sets = images(asked.photographs)
    plain = measured(Interpolation("bicubic"), sets)
    rows: Rows = [{"network": "bicubic", **row} for row in plain]
    lines = [["bicubic", "", *(cell for name in sets for cell in (mean(plain, name), ""))]]
    for name in asked.networks:
        own = measured(own_network(load_model(model_folder(runs / name))[0], Settings()), sets)
        rows += [{"network": name, **row} for row in own]
        cells = [cell for title in sets for cell in (mean(own, title), better(own, plain, title))]
        lines.append([f"`{name}`", str(STEPS[name]), *cells])
    write_csv(HERE / "table.csv", rows)
    titles = [title for name in sets for title in (f"PSNR-Y, {name}", "better than bicubic")]
    write_table(HERE / "README.md", markdown(["network", "steps", *titles], lines))


def values(rows: Rows, name: str) -> np.ndarray:
    """PSNR-Y of each photograph of a set, dB."""
    return np.array([row["psnr_y"] for row in rows if row["set"] == name], dtype=float)


def mean(rows: Rows, name: str) -> str:
    """Mean PSNR-Y."""
    return f"{values(rows, name).mean():.2f}"


def better(rows: Rows, plain: Rows, name: str) -> str:
    """On how many photographs, of how many."""
    gains = values(rows, name) - values(plain, name)
    return f"{(gains > 0).sum()} of {gains.size}"


if __name__ == "__main__":
    main()
