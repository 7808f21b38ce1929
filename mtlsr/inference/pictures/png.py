"""PNG files written from the top, band by band, so that no picture has to be in memory whole.

Portable Network Graphics, third edition (W3C 2025, https://www.w3.org/TR/png-3/).
"""

import struct
import zlib
from collections.abc import Iterable
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mtlsr.data.decoding import Levels
from mtlsr.inference.pictures.picture import Notes

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Numbers of channels, and what the file calls them: grey, with alpha, RGB, with alpha."""

PAETH = 4
"""The filter of every row: each byte less its left, upper or upper left neighbour."""

ROWS = 64
"""Rows that are filtered at a time."""


def write_png(
    file: IO[bytes], size: tuple[int, int], bands: Iterable[Levels], notes: Notes
) -> None:
    """Write a picture; the bands are asked for one after the other, and not kept.

    Args:
        file: Where to, from its present position on.
        size: Width and height of the picture.
        bands: The picture in bands of its whole width from the top to the bottom, all of one type
            and of as many channels; see `Picture`.
        notes: What is kept beside the pixels.
    """
    file.write(b"\x89PNG\r\n\x1a\n")
    packer = zlib.compressobj()
    above: NDArray[np.uint8] | None = None
    for band in bands:
        pixels = band.reshape(*band.shape[:2], -1)
        stored = pixels.astype(pixels.dtype.newbyteorder(">")).view(np.uint8)
        if above is None:
            _begin(file, size, pixels, notes)
            above = np.zeros_like(stored[:1])
        for start in range(0, len(stored), ROWS):
            rows = np.concatenate([above, stored[start : start + ROWS]])
            _chunk(file, b"IDAT", packer.compress(_filtered(rows)))
            above = rows[-1:]
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def _begin(file: IO[bytes], size: tuple[int, int], band: Levels, notes: Notes) -> None:
    # Deflated, filtered row by row, not interlaced.
    depth, colours = 8 * band.dtype.itemsize, COLOUR_TYPES[band.shape[2]]
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", *size, depth, colours, 0, 0, 0))
    if notes.gamma:
        _chunk(file, b"gAMA", struct.pack(">I", round(100_000 * notes.gamma)))
    if notes.dots:  # which are counted by the metre
        metre = round(notes.dots / 0.0254)
        _chunk(file, b"pHYs", struct.pack(">IIB", metre, metre, 1))
    if notes.profile:
        _chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(notes.profile))
    if exif := notes.exif_of(*size):
        _chunk(file, b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))


def _filtered(rows: NDArray[np.uint8]) -> bytes:
    """The rows but the first, each behind the number of its filter."""
    wide = np.pad(rows, ((0, 0), (1, 0), (0, 0))).astype(np.int16)
    here, left, above, corner = wide[1:, 1:], wide[1:, :-1], wide[:-1, 1:], wide[:-1, :-1]
    # The neighbour that is nearest to left + above - corner; the first of them where several are.
    to_left, to_above = abs(above - corner), abs(left - corner)
    to_corner = abs(left + above - 2 * corner)
    other = np.where(to_above <= to_corner, above, corner)
    guess = np.where((to_left <= to_above) & (to_left <= to_corner), left, other)
    difference = (here - guess).astype(np.uint8).reshape(len(here), -1)
    return np.pad(difference, ((0, 0), (1, 0)), constant_values=PAETH).tobytes()


def _chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    if data or kind != b"IDAT":
        file.write(struct.pack(">I", len(data)) + kind + data)
        file.write(struct.pack(">I", zlib.crc32(kind + data)))
