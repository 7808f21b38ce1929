"""The same photograph twice: scaled, compressed again, made grey, mirrored or a little cropped.

Two steps find it among tens of thousands of files. The signs of its 63 lowest DCT coefficients make
a fingerprint (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010);
pairs whose fingerprints differ in few bits are candidates. Their thumbnails are then laid over each
other as well as an affine map can (Evangelidis and Psarakis, "Parametric Image Alignment Using
Enhanced Correlation Coefficient Maximization", PAMI 2008), and the correlation of what they show in
detail decides.

A smaller part cut out of a photograph is not found: what a crop loses of a side should be no more
than a twentieth (of a photograph that a benchmark shows, a twelfth).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mtlsr.data.augment import dihedral
from mtlsr.data.images import ImageError, read_image

UInt8 = NDArray[np.uint8]
Float = NDArray[np.float32]

SIDE = 64
"""Of a thumbnail, in pixels."""

DUPLICATE_BITS = 14
"""Candidates differ in no more of their 63 bits. Scaling, compression, noise and loss of colour
change 6 at most, a crop of a twentieth 15. Among different photographs one pair of ten thousand is
as near, so that twenty thousand files give some 30,000 candidates, at 3 ms each."""

LEAK_BITS = 18
"""The same against a benchmark: it has few images, and six candidates of a thousand pairs are no
matter. Crops of a twelfth are found too."""

LEAST_CORRELATION = 0.85
"""What candidates must reach. The same photograph gives 0.94 and more, different ones that are
laid over each other as well as can be 0.7 at most."""

LEAST_AREA = 0.5
"""What a crop must have left of the squeezed picture; it also keeps the map from shrinking to a
dot, where anything correlates."""

STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
"""Iterations and least gain of the alignment."""

BLOCK = 1 << 22
"""How many pairs of fingerprints are compared at a time."""


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of a photograph to find it again: 4 KB."""

    path: Path
    words: NDArray[np.uint64]
    """``(8,)``: signs of the lowest 8x8 DCT coefficients, for each turn of ``augment.dihedral``."""
    thumbnail: UInt8
    """``(64, 64)``: grey, squeezed to a square, contrast stretched to 0..255."""


@dataclass(frozen=True)
class Match:
    """Two files that show the same photograph."""

    first: Path
    second: Path
    bits: int
    """How many of 63 bits of the fingerprints differ, at the turn where they differ least."""
    correlation: float
    """Of the details, once laid over each other; 1 is the most."""


def fingerprint(path: str | Path, image: UInt8) -> Fingerprint:
    """Take a photograph's fingerprint.

    Args:
        path: its name in the results.
        image: uint8 ``(H, W, 3)`` RGB, or ``(H, W)``.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    small = cv2.resize(grey.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    low, high = float(small.min()), float(small.max())
    small = (small - low) * (255 / max(high - low, 1.0))  # less than a level is no contrast
    waves = cv2.dct(small)[:8, :8]
    waves[0, 0] = 0  # the mean tells nothing
    mirror = np.where(np.arange(8) % 2, -1, 1)  # odd waves change their sign in a mirror
    words = np.empty(8, np.uint64)
    for element in range(8):
        turned = waves.T if element & 4 else waves
        if element & 2:
            turned = turned * mirror[:, None]
        if element & 1:
            turned = turned * mirror
        words[element] = np.packbits(turned > 0).view(np.uint64)[0]
    return Fingerprint(Path(path), words, np.rint(small).astype(np.uint8))


def match(
    prints: Sequence[Fingerprint], others: Sequence[Fingerprint] | None = None
) -> list[Match]:
    """Pairs that show the same photograph.

    Args:
        prints: photographs.
        others: photographs to find them among. None: those of ``prints`` that come before; a copy
            is then paired with the earliest only that it matches, so that a thousand equal files
            make a thousand pairs and not half a million.

    Returns:
        Without ``others`` the copy is ``second``; with them ``first`` is of ``prints``.
    """
    ours = [print_ for print_ in prints if print_.thumbnail.any()]  # a flat picture shows nothing
    theirs = ours if others is None else [print_ for print_ in others if print_.thumbnail.any()]
    found: list[Match] = []
    paired = -1
    most = DUPLICATE_BITS if others is None else LEAK_BITS
    for i, j in _candidates(ours, theirs, most, before=others is None):
        if i == paired:
            continue
        bits, correlation = _compare(ours[i], theirs[j], most)
        if correlation < LEAST_CORRELATION:
            continue
        if others is None:
            paired = i
            found.append(Match(ours[j].path, ours[i].path, bits, correlation))
        else:
            found.append(Match(ours[i].path, theirs[j].path, bits, correlation))
    return found


def find_duplicates(files: Sequence[str | Path]) -> list[Match]:
    """Decode files and pair each (``second``) with the earliest (``first``) that shows the same.

    A file that cannot be decoded is passed over (``verification.verify`` names it).
    """
    return match(list(_fingerprints(files)))


def find_leaks(files: Sequence[str | Path], benchmark_files: Sequence[str | Path]) -> list[Match]:
    """Decode files and pair those (``first``) that a benchmark shows too with its (``second``).

    A file that cannot be decoded is passed over (``verification.verify`` names it).
    """
    return match(list(_fingerprints(files)), list(_fingerprints(benchmark_files)))


def _fingerprints(files: Sequence[str | Path]) -> Iterator[Fingerprint]:
    for path in files:
        try:
            image = read_image(path, grey="keep")
        except ImageError:
            continue
        yield fingerprint(path, image)


def _candidates(
    prints: Sequence[Fingerprint], others: Sequence[Fingerprint], most: int, before: bool
) -> Iterator[tuple[int, int]]:
    """Indices of pairs that differ in few bits, in order; ``before``: only j < i."""
    if not prints or not others:
        return
    straight = np.array([print_.words[0] for print_ in prints])
    turns = np.array([print_.words for print_ in others]).T.copy()
    rows = max(1, BLOCK // len(others))
    for start in range(0, len(prints), rows):
        block = straight[start : start + rows, None]
        columns = start + len(block) if before else len(others)
        near = np.zeros((len(block), columns), np.bool_)
        for words in turns[:, :columns]:
            near |= np.bitwise_count(block ^ words) <= most
        for row, j in np.argwhere(near).tolist():
            if not before or j < start + row:
                yield start + row, j


def _compare(first: Fingerprint, second: Fingerprint, most: int) -> tuple[int, float]:
    """Number of different bits and correlation, of the best of the likely turns."""
    bits = np.bitwise_count(first.words[0] ^ second.words)
    detail = _detail(first.thumbnail)
    correlations = [
        _correlation(detail, _detail(dihedral(second.thumbnail, int(element))))
        for element in np.flatnonzero(bits <= most)
    ]
    return int(bits.min()), max(correlations)


def _detail(thumbnail: UInt8) -> Float:
    """What is finer than clouds, which all look alike, and coarser than what compression takes."""
    image = thumbnail.astype(np.float32)
    band = cv2.GaussianBlur(image, (0, 0), 1) - cv2.GaussianBlur(image, (0, 0), 6)
    return np.asarray(band, np.float32)


def _correlation(first: Float, second: Float) -> float:
    """Of two pictures laid over each other by the affine map that suits them best; 0 for none."""
    size = (SIDE, SIDE)
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    try:
        _, warp = cv2.findTransformECC(
            first, second, np.eye(2, 3, dtype=np.float32), cv2.MOTION_AFFINE, STOP
        )
    except cv2.error:  # it found no map
        return 0.0
    inside = cv2.warpAffine(np.ones_like(second), warp, size, flags=inverse) > 0.99
    area = abs(np.linalg.det(warp[:, :2]))
    if min(area, 1 / max(area, 1e-6), inside.mean()) < LEAST_AREA:
        return 0.0
    moved = cv2.warpAffine(second, warp, size, flags=inverse)
    return float(np.corrcoef(first[inside], moved[inside])[0, 1])
