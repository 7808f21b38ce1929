"""Checks a data set before anything is trained on it, and says in sentences what is wrong."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from mtlsr.data.images import ImageError, read_image
from mtlsr.data.inspection.duplicates import Fingerprint, Match, fingerprint, match
from mtlsr.data.resize import MAX_SCALE, bicubic_downscale, crop_to_multiple

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float64]
T = TypeVar("T")
R = TypeVar("R")

LEAST_RESIDUAL = 50.0
"""dB, of a given LR image against the exact bicubic one. Another program's bicubic of the same
kernel, which rounds otherwise here and there, stays above; saving it as JPEG, another kernel, one
without anti-aliasing or a shift of a hundredth of a pixel falls below."""

LEAST_SHIFT = 0.02
"""LR pixels. A smaller displacement is called none: it lies within the estimate's error."""


LEAST_ERRORS = 10.0
"""Standard errors. What compression and noise seem to move lies below 6; real displacements, even
of very different pictures, lie above 20. The errors of neighbouring pixels depend on each other, so
two or three would not do."""


class Kind(StrEnum):
    """What a finding is about; each is also the word that counts and reports show."""

    UNDECODABLE = "undecodable"
    TOO_SMALL = "too small"
    LR_SIZE = "LR of another size"
    LR_NOT_BICUBIC = "LR not bicubic"
    DUPLICATE = "duplicate"
    IN_BENCHMARK = "in a benchmark"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with one file."""

    kind: Kind
    path: Path
    sentence: str
    """Complete, without the path: 'It has 20x30 pixels; ...'."""


@dataclass(frozen=True)
class Report:
    """All that was found."""

    files: int
    """How many high-resolution files were looked at."""
    findings: list[Finding]
    """In the order of the files; what concerns two photographs comes last."""

    def counts(self) -> dict[str, int]:
        """Kind -> number of findings, every kind named."""
        return {str(kind): sum(found.kind is kind for found in self.findings) for kind in Kind}

    def lines(self) -> list[str]:
        """One line a finding: '<path>: <sentence>'."""
        return [f"{found.path}: {found.sentence}" for found in self.findings]

    def paths(self, *kinds: Kind) -> set[Path]:
        """The files that findings of these kinds name."""
        return {found.path for found in self.findings if found.kind in kinds}


def verify(
    files: Sequence[str | Path],
    scale: int,
    lr_files: Sequence[str | Path | None] | None = None,
    benchmarks: Sequence[str | Path] = (),
    patch: int = 1,
    workers: int | None = None,
    advance: Callable[[], None] | None = None,
) -> Report:
    """Look at every file of a data set; nothing that a file holds stops it.

    Args:
        files: high-resolution images.
        scale: 1 to 16.
        lr_files: the given low-resolution images, in the order of ``files``; None, for one or for
            all: there is none.
        benchmarks: image files of benchmarks, none of which should be among ``files``.
        patch: side of a training patch in low-resolution pixels, which an image must hold.
        workers: threads that decode; None: one a core. They change nothing in the report.
        advance: called after every file, the benchmarks' too, for a progress bar.

    Raises:
        ValueError: another number of LR files than of files, or a scale or patch out of range.
    """
    if not 1 <= scale <= MAX_SCALE:
        raise ValueError(f"scale is {scale}: a whole number from 1 to {MAX_SCALE} is needed.")
    if patch < 1:
        raise ValueError(f"patch is {patch}: at least 1 pixel is needed.")
    if lr_files is not None and len(lr_files) != len(files):
        raise ValueError(
            f"There are {len(files)} files and {len(lr_files)} low-resolution files: "
            "one for each is needed."
        )
    partners = [None if path is None else Path(path) for path in lr_files or [None] * len(files)]
    jobs = [
        *((Path(path), lr, patch) for path, lr in zip(files, partners, strict=True)),
        *((Path(path), None, 0) for path in benchmarks),  # any size is fine
    ]

    def look(job: tuple[Path, Path | None, int]) -> tuple[list[Finding], Fingerprint | None]:
        return _look(*job, scale)

    findings: list[Finding] = []
    ours: list[Fingerprint] = []
    theirs: list[Fingerprint] = []
    for index, (found, print_) in enumerate(_in_order(look, jobs, workers)):
        findings += found
        if print_ is not None:
            (ours if index < len(files) else theirs).append(print_)
        if advance is not None:
            advance()
    findings += [_duplicate(pair) for pair in match(ours)]
    findings += [_leak(pair) for pair in match(ours, theirs)]
    return Report(len(files), findings)


def residual(given: UInt8, expected: UInt8) -> float:
    """PSNR in dB between two uint8 images of one shape, over all pixels and channels."""
    error = np.square(given.astype(np.float64) - expected).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def displacement(given: UInt8, expected: UInt8) -> tuple[float, float]:
    """How far ``given`` lies further down and further right than ``expected``, in pixels.

    Phase correlation finds it roughly, and least squares on the gradient improves that (Lucas and
    Kanade, "An Iterative Image Registration Technique", IJCAI 1981), as if all of the image had
    moved alike. Where there is nothing to see, or what is seen may be chance, it is zero.

    Args:
        given: uint8 ``(H, W, C)`` or ``(H, W)``.
        expected: the same shape.
    """
    moved, still = _grey(given), _grey(expected)
    if min(still.shape) < 16:
        return 0.0, 0.0
    window = cv2.createHanningWindow(still.shape[::-1], cv2.CV_64F)
    # It writes the windowed images back into its arguments, where their sizes suit the transform.
    (right, down), _ = cv2.phaseCorrelate(still.copy(), moved.copy(), window)
    shift = np.array([down, right])
    # Phase correlation of images that have nothing in common may point anywhere.
    if not np.abs(shift).max() < min(still.shape) / 4:
        shift = np.zeros(2)
    gradient: Any = np.gradient(still)
    slopes, error = np.empty((0, 2)), np.empty(0)
    for _ in range(20):
        edge = int(np.ceil(np.abs(shift).max())) + 3  # where the borders reach
        inside = (slice(edge, -edge), slice(edge, -edge))
        slopes = np.stack([along[inside].ravel() for along in gradient], axis=1)
        error = (still - _move(moved, -shift))[inside].ravel()
        step = np.linalg.lstsq(slopes, error, rcond=None)[0]
        shift = shift + step
        if not np.abs(shift).max() < min(still.shape) / 4:
            return 0.0, 0.0
        if np.abs(step).max() < 1e-4:
            break
    # How many standard errors it is away from none, were the errors of the pixels independent.
    away = np.linalg.norm(slopes @ shift) / max(float(np.sqrt(np.square(error).mean())), 1e-6)
    return (float(shift[0]), float(shift[1])) if away > LEAST_ERRORS else (0.0, 0.0)


def _look(
    path: Path, lr_path: Path | None, patch: int, scale: int
) -> tuple[list[Finding], Fingerprint | None]:
    """What is wrong with one file by itself, and what it looks like."""
    findings = []
    image = lr = None
    try:
        image = _read(path)
    except ImageError as error:
        findings.append(_undecodable(error))
    if lr_path is not None:
        try:
            lr = _read(lr_path)
        except ImageError as error:
            findings.append(_undecodable(error))
    if image is None:
        return findings, None
    height, width = image.shape[:2]
    if min(height, width) < patch * scale:
        findings.append(
            Finding(
                Kind.TOO_SMALL,
                path,
                f"It has {height}x{width} pixels, but patches of {patch} at scale {scale} need at "
                f"least {patch * scale}x{patch * scale}.",
            )
        )
    if lr is not None and lr_path is not None:
        findings += _compare(lr_path, lr, path, image, scale)
    return findings, fingerprint(path, image)


def _compare(lr_path: Path, lr: UInt8, path: Path, hr: UInt8, scale: int) -> list[Finding]:
    """Is it the bicubic of its HR?"""
    height, width = hr.shape[:2]
    wanted = (height // scale, width // scale)
    if lr.shape[:2] != wanted:
        sentence = (
            f"It has {lr.shape[0]}x{lr.shape[1]} pixels, but {path.name} has {height}x{width}, "
            f"which makes {wanted[0]}x{wanted[1]} at scale {scale}."
        )
        return [Finding(Kind.LR_SIZE, lr_path, sentence)]
    expected = bicubic_downscale(crop_to_multiple(hr, scale), scale)
    if lr.ndim != expected.ndim:  # one file is grey, its partner stores three equal channels
        lr, expected = np.atleast_3d(lr), np.atleast_3d(expected)
    decibels = residual(lr, expected)
    if decibels >= LEAST_RESIDUAL:
        return []
    down, right = displacement(lr, expected)
    if max(abs(down), abs(right)) < LEAST_SHIFT:
        place = "it is not displaced"
    else:
        place = f"it lies {down:+.2f} pixels down and {right:+.2f} to the right of it"
    sentence = (
        f"It is not the bicubic of {path.name}: the residual is {decibels:.1f} dB (at least "
        f"{LEAST_RESIDUAL:.0f} is expected), and {place}."
    )
    return [Finding(Kind.LR_NOT_BICUBIC, lr_path, sentence)]


def _read(path: Path) -> UInt8:
    try:
        return read_image(path, grey="keep")
    except MemoryError:
        raise ImageError(path, "it has more pixels than fit into memory") from None


def _undecodable(error: ImageError) -> Finding:
    return Finding(Kind.UNDECODABLE, error.path, f"{error.reason[0].upper()}{error.reason[1:]}.")


def _duplicate(pair: Match) -> Finding:
    sentence = f"It shows the same photograph as {pair.first} ({_measures(pair)})."
    return Finding(Kind.DUPLICATE, pair.second, sentence)


def _leak(pair: Match) -> Finding:
    sentence = f"It shows the photograph {pair.second} of a benchmark ({_measures(pair)})."
    return Finding(Kind.IN_BENCHMARK, pair.first, sentence)


def _measures(pair: Match) -> str:
    return f"{pair.bits} of 63 bits differ, correlation {pair.correlation:.2f}"


def _in_order(function: Callable[[T], R], jobs: Iterable[T], workers: int | None) -> Iterator[R]:
    """Results in the order of the jobs, with few images in memory at a time."""
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting = iter(jobs)
        running = [pool.submit(function, job) for job in islice(waiting, 2 * workers)]
        while running:
            yield running.pop(0).result()
            running += [pool.submit(function, job) for job in islice(waiting, 1)]


def _grey(image: UInt8) -> Float:
    return np.atleast_3d(image).mean(axis=2, dtype=np.float64)


def _move(image: Float, shift: Float) -> Float:
    """Move an image down and right by parts of a pixel; Lanczos with three lobes."""
    kernels = []
    for distance in shift:
        reach = int(np.ceil(abs(distance))) + 3
        away = np.arange(-reach, reach + 1) + distance
        kernel = np.sinc(away) * np.sinc(away / 3) * (abs(away) < 3)
        kernels.append(kernel / kernel.sum())
    moved = cv2.sepFilter2D(image, -1, kernels[1], kernels[0], borderType=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float64)
