"""Bicubic's figures on somebody's own copies of the benchmarks, held against the literature's.

Whoever has the literature's figures for bicubic has its images, its low resolution, its border, its
Y and its averages; and whoever has not, learns which file is another one.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from mtlsr.data.images import ImageError, as_rgb, read_image
from mtlsr.data.inspection.verification import Kind, verify
from mtlsr.data.layouts import benchmark_folder
from mtlsr.data.pairs import EvaluationSet, benchmark_set
from mtlsr.data.resize import bicubic_downscale, bicubic_upscale
from mtlsr.errors import UserError
from mtlsr.metrics._psnr import psnr
from mtlsr.metrics._ssim import ssim
from mtlsr.metrics.planes import Image
from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.published import DATASETS, published

SCALES = (2, 3, 4)
WITHIN = {"psnr_y": 0.03, "ssim_y": 0.001}
"""Largest deviation, in dB and SSIM. Y is not rounded here; rounding it to whole levels takes up to
0.03 dB and 0.001 away from bicubic's figures, and most of the published ones lie between."""
VERIFIED = ("set5", "set14", "b100")
"""Benchmarks whose figures the literature agrees about."""


@dataclass(frozen=True)
class Verdict:
    """Bicubic's means on one benchmark at one scale, beside the literature's."""

    dataset: str
    scale: int
    images: int
    """Measured ones."""
    measured: dict[str, float]
    """`psnr_y` in dB and `ssim_y`; NaN if there were no images."""
    expected: dict[str, float]
    """The same, as published."""
    low: str
    """Where the low resolution came from."""
    reasons: tuple[str, ...]
    """Files that could not be measured; where the figures deviate, what explains it."""

    @property
    def passed(self) -> bool:
        """Whether both figures are within `WITHIN`, and every file could be measured."""
        return not self.reasons and _close(self.measured, self.expected)

    def __str__(self) -> str:
        (psnr, psnr_there), (ssim, ssim_there) = (
            (self.measured[name], self.expected[name]) for name in WITHIN
        )
        return (
            f"{'ok  ' if self.passed else 'FAIL'}  {DATASETS[self.dataset]} x{self.scale}: "
            f"PSNR {psnr:.2f} dB (published {psnr_there:.2f}, {psnr - psnr_there:+.3f}), "
            f"SSIM {ssim:.4f} (published {ssim_there:.4f}, {ssim - ssim_there:+.4f}); "
            f"{self.images} images, {self.low}"
        )


def verdicts(root: str | Path) -> Iterator[Verdict]:
    """Measure bicubic on Set5, Set14 and B100 below a folder at scales 2, 3 and 4.

    Each benchmark is a folder of images, or has them in `HR` and maybe the published low resolution
    in `LR_x<scale>` (see `mtlsr.data.pairs.benchmark_set`). One that is not there is passed over.

    Raises:
        UserError: there is none of the three.
        ValueError: a folder without images, or a file of either resolution without its partner.
    """
    homes = find_benchmarks(root)
    if not homes:
        raise UserError(f"{root} holds no folder Set5, Set14 or B100")
    for dataset, home in homes.items():
        for scale in SCALES:
            yield _verdict(dataset, benchmark_set(home, scale))


def find_benchmarks(root: str | Path) -> dict[str, Path]:
    """The benchmarks of `VERIFIED` that lie below a folder.

    Raises:
        UserError: there is no such folder.
    """
    if not Path(root).is_dir():
        raise UserError(f"the folder {root} does not exist")
    homes = {name: benchmark_folder(Path(root), name) for name in VERIFIED}
    return {name: home for name, home in homes.items() if home is not None}


def _verdict(dataset: str, images: EvaluationSet) -> Verdict:
    scale, protocol = images.scale, Protocol.preset("literature", images.scale)
    (bicubic,) = (row for row in published(scale) if row.method == "Bicubic")
    expected = bicubic.figures[dataset]
    figures: list[tuple[float, float]] = []
    equal, reasons = 0, []
    for index in range(len(images)):
        try:
            pair = images[index]
            sr = bicubic_upscale(pair.lr, scale)
            figures.append((psnr(sr, pair.hr, protocol, "y"), ssim(sr, pair.hr, protocol, "y")))
        except ImageError as error:
            reasons.append(str(error))
            continue
        equal += np.array_equal(as_rgb(bicubic_downscale(pair.hr, scale)), pair.lr)
    means = np.mean(figures, axis=0) if figures else (np.nan, np.nan)
    measured = dict(zip(WITHIN, map(float, means), strict=True))
    if not _close(measured, expected):
        reasons += _explanations(dataset, images) or [
            "every file is as it should be: the deviation is this program's; please report it"
        ]
    low = "LR made here"
    if images.lr_files is not None:
        low = f"{equal} of {len(figures)} LR files equal ours bit for bit"
    return Verdict(dataset, scale, len(figures), measured, expected, low, tuple(reasons))


def _close(measured: dict[str, float], expected: dict[str, float]) -> bool:
    return all(abs(measured[name] - expected[name]) <= most for name, most in WITHIN.items())


def _explanations(dataset: str, images: EvaluationSet) -> list[str]:
    """A sentence for every file that is not as it should be."""
    known = known_pixels()[dataset]
    found = []
    if len(images) != len(known):
        found.append(f"there are {len(images)} images; {DATASETS[dataset]} has {len(known)}")
    for path in images.hr_files:
        try:
            stored = read_image(path, grey="keep")
        except ImageError:
            continue  # said already
        grey = known.get(pixel_hash(stored))
        if grey is None:
            found.append(f"{path}: its pixels are not those of the published photograph")
        elif grey and stored.ndim == 3:
            found.append(
                f"{path}: it stores a grey photograph as RGB; the published file has one channel, "
                "and is scored as stored, in 0..255 and not as Y in 16..235"
            )
    report = verify(images.hr_files, images.scale, images.lr_files)
    about_lr = (Kind.LR_SIZE, Kind.LR_NOT_BICUBIC)
    return found + [f"{f.path}: {f.sentence[:-1]}" for f in report.findings if f.kind in about_lr]


def pixel_hash(image: Image) -> str:
    """16 hexadecimal characters that tell an image by its size and RGB pixels."""
    rgb = np.ascontiguousarray(as_rgb(image))
    return hashlib.sha256(f"{rgb.shape}".encode() + rgb.tobytes()).hexdigest()[:16]


@cache
def known_pixels() -> dict[str, dict[str, bool]]:
    """Benchmark -> `pixel_hash` of its photographs -> whether the file is grey."""
    lines = Path(__file__).with_name("benchmarks.csv").read_text(encoding="utf-8").splitlines()
    found: dict[str, dict[str, bool]] = {dataset: {} for dataset in VERIFIED}
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        found[row["dataset"]][row["pixels"]] = row["channels"] == "1"
    return found
