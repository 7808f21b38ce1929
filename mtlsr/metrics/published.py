"""The literature's figures, as published.csv beside this file has them."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

DATASETS = {"set5": "Set5", "set14": "Set14", "b100": "B100", "urban100": "Urban100"}
"""Name in `mtlsr.data.datasets` -> name in the literature."""


@dataclass(frozen=True)
class Published:
    """A method's figures at one scale."""

    method: str
    scale: int
    train_set: str
    """What it was trained on; empty for interpolation."""
    parameters: int
    """In thousands."""
    figures: dict[str, dict[str, float]]
    """Data set (`DATASETS`) -> `psnr_y` in dB and `ssim_y`."""


@cache
def published(scale: int) -> tuple[Published, ...]:
    """What the literature reports at a scale under the preset `literature`, in the table's order.

    Empty for a scale that the table lacks; it has 2, 3 and 4.
    """
    lines = Path(__file__).with_name("published.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple(_parsed(row) for row in rows if int(row["scale"]) == scale)


def _parsed(row: dict[str, str]) -> Published:
    figures = {
        name: {"psnr_y": float(row[f"{title}_psnr"]), "ssim_y": float(row[f"{title}_ssim"])}
        for name, title in DATASETS.items()
    }
    size, train_set = int(row["params_k"]), row["train_set"]
    return Published(row["method"], int(row["scale"]), train_set, size, figures)
