"""The literature's table, and bicubic up-scaling, which gives its figures."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mtlsr.data.resize import bicubic_downscale, bicubic_upscale, crop_to_multiple
from mtlsr.metrics import ImageMetrics, Protocol
from mtlsr.metrics import published as room
from mtlsr.metrics.published import DATASETS, published


def test_the_bundled_table_is_the_reference(shared: Path) -> None:
    bundled = Path(room.__file__).with_name("published.csv")
    assert bundled.read_text() == (shared / "reference" / "published.csv").read_text()


def test_every_row_is_read_with_its_figures() -> None:
    rows = [row for scale in (2, 3, 4) for row in published(scale)]
    assert len(rows) == 29
    assert {row.method for row in rows} >= {"Bicubic", "SRCNN", "VDSR", "EDSR-baseline", "IMDN"}
    (edsr,) = (row for row in published(4) if row.method == "EDSR-baseline")
    assert (edsr.train_set, edsr.parameters, edsr.scale) == ("DIV2K", 1518, 4)
    assert edsr.figures["set5"] == {"psnr_y": 32.09, "ssim_y": 0.8938}
    assert edsr.figures["urban100"] == {"psnr_y": 26.04, "ssim_y": 0.7849}
    assert published(8) == ()


def test_nothing_that_was_learned_is_worse_than_bicubic() -> None:
    """A slip of a row or a column would show here."""
    for scale in (2, 3, 4):
        bicubic, *learned = published(scale)
        assert (bicubic.method, bicubic.parameters, bicubic.train_set) == ("Bicubic", 0, "")
        for row in learned:
            for name in DATASETS:
                for figure in ("psnr_y", "ssim_y"):
                    assert row.figures[name][figure] > bicubic.figures[name][figure]


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
        hr = crop_to_multiple(read(path), scale)
        published = folder / f"LR_x{scale}" / path.name
        lr = read(published) if published.exists() else bicubic_downscale(hr, scale)
        metrics.update(bicubic_upscale(lr, scale), hr)
    return metrics.compute()


@pytest.mark.parametrize(
    ("dataset", "scale", "images"),
    [("Set5", 2, 5), ("Set5", 3, 5), ("Set5", 4, 5), ("Set14", 4, 14)],
)
def test_bicubic_gives_the_published_figures(
    shared: Path, dataset: str, scale: int, images: int
) -> None:
    (bicubic,) = (row for row in published(scale) if row.method == "Bicubic")
    expected = bicubic.figures[dataset.lower()]

    measured = bicubic_figures(shared / "data" / "benchmark" / dataset, scale)
    assert measured["images"] == images
    assert measured["psnr_y"] == pytest.approx(expected["psnr_y"], abs=0.03)
    assert measured["ssim_y"] == pytest.approx(expected["ssim_y"], abs=0.001)


def test_expanding_set14s_grey_file_adds_nine_hundredths_of_a_decibel(shared: Path) -> None:
    folder = shared / "data" / "benchmark" / "Set14"
    stored, expanded = (bicubic_figures(folder, 4, name) for name in ("literature", "rgb-grey"))
    assert expanded["psnr_y"] - stored["psnr_y"] == pytest.approx(0.09, abs=0.01)
    assert expanded["psnr_rgb"] == stored["psnr_rgb"]
