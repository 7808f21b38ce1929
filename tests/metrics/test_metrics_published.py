"""Bicubic up-scaling of the benchmark files gives the literature's figures."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtlsr.metrics import ImageMetrics, Protocol

resize = pytest.importorskip("mtlsr.data.resize", reason="needs the data room's bicubic resizing")


def read(path: Path) -> np.ndarray:
    """An image file as it is stored: H x W x 3 in RGB, or H x W."""
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def bicubic_figures(folder: Path, scale: int, preset: str = "literature") -> dict[str, float]:
    """Mean figures of bicubic up-scaling over all images of one benchmark folder.

    Takes the published LR files where they exist and makes the others.
    """
    metrics = ImageMetrics(Protocol.preset(preset, scale))
    for path in sorted((folder / "HR").glob("*.png")):
        hr = resize.crop_to_multiple(read(path), scale)
        published = folder / f"LR_x{scale}" / path.name
        lr = read(published) if published.exists() else resize.bicubic_downscale(hr, scale)
        metrics.update(resize.bicubic_upscale(lr, scale), hr)
    return metrics.compute()


@pytest.mark.parametrize(
    ("dataset", "scale", "images"),
    [("Set5", 2, 5), ("Set5", 3, 5), ("Set5", 4, 5), ("Set14", 4, 14)],
)
def test_bicubic_gives_the_published_figures(
    shared: Path, dataset: str, scale: int, images: int
) -> None:
    lines = (shared / "reference" / "published.csv").read_text().splitlines()
    rows = csv.DictReader(line for line in lines if not line.startswith("#"))
    published = next(r for r in rows if (r["method"], r["scale"]) == ("Bicubic", str(scale)))

    measured = bicubic_figures(shared / "data" / "benchmark" / dataset, scale)
    assert measured["images"] == images
    assert measured["psnr_y"] == pytest.approx(float(published[f"{dataset}_psnr"]), abs=0.03)
    assert measured["ssim_y"] == pytest.approx(float(published[f"{dataset}_ssim"]), abs=0.001)


def test_expanding_set14s_grey_file_adds_nine_hundredths_of_a_decibel(shared: Path) -> None:
    folder = shared / "data" / "benchmark" / "Set14"
    stored, expanded = (bicubic_figures(folder, 4, name) for name in ("literature", "rgb-grey"))
    assert expanded["psnr_y"] - stored["psnr_y"] == pytest.approx(0.09, abs=0.01)
    assert expanded["psnr_rgb"] == stored["psnr_rgb"]
