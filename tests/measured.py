"""Results folders as trainings and evaluations leave them, of figures that a test chooses."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mtlsr.metrics import Protocol

LITERATURE = Protocol.preset("literature", 4)

Figures = Mapping[str, Mapping[str, Sequence[float]]]
"""Data set -> method -> PSNR-Y of each image; the other figures follow from it."""


def write_results(
    folder: Path,
    figures: Figures,
    protocol: Protocol = LITERATURE,
    names: Sequence[str] = "abcdefghijklmnopqrstuvwxyz",
    **settings: object,
) -> Path:
    """Write results.json and per_image.csv, with figures of every measure."""
    rows, means = [], {}
    for dataset, methods in figures.items():
        for method, values in methods.items():
            own = [_scores(value) for value in values]
            rows += [
                {"dataset": dataset, "image": name, "method": method, **scores}
                for name, scores in zip(names, own, strict=False)
            ]
            mean = {n: float(np.mean([min(s[n], protocol.ceiling) for s in own])) for n in own[0]}
            means.setdefault(dataset, {})[method] = {**mean, "images": len(own)}
    folder.mkdir(parents=True, exist_ok=True)
    stored = {"protocol": protocol.hash, "datasets": means} | (settings and {"settings": settings})
    if protocol != LITERATURE:
        stored["protocol_values"] = protocol.describe()
    (folder / "results.json").write_text(json.dumps(stored))
    with (folder / "per_image.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def _scores(psnr: float) -> dict[str, float]:
    ssim = 1 - 10 ** (-psnr / 20)
    return {
        "psnr_y": psnr, "ssim_y": ssim, "psnr_rgb": psnr - 1.5, "ssim_rgb": ssim - 0.01,
        "ms_ssim_y": ssim + 0.001, "ms_ssim_rgb": ssim - 0.002, "lr_psnr": psnr + 20,
        "edge_psnr": psnr - 3, "gmsd": 0.2 * (1 - ssim), "texture": 1 - ssim, "niqe": 8 - ssim,
        "lpips": 1 - ssim, "dists": 0.5 - ssim / 2,
    }  # fmt: skip
