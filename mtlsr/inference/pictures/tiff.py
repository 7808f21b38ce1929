"""TIFF files written from the top, band by band, so that no picture has to be in memory whole.

TIFF revision 6.0 (Adobe 1992) with Adobe's deflate, and BigTIFF for files of more than 4 GB. Pillow
lays out the directory; it cannot write colours of sixteen bits, nor a picture piece by piece.
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import LONG, LONG8, SHORT

from mtlsr.data.decoding import Levels
from mtlsr.inference.pictures.picture import Notes

ROWS = 64
"""Rows of a strip."""

CLASSIC = 2**32 - 2**24
"""Bytes of pixels, at the most, of a file whose places are numbers of 32 bits."""

DEFLATE, DIFFERENCES = 8, 2
GREY, RGB = 1, 2
STRAIGHT_ALPHA = 2
WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, OFFSETS = 256, 257, 258, 259, 262, 273
DOTS_ACROSS, DOTS_DOWN, DOTS_UNIT, INCH = 282, 283, 296, 2
SAMPLES, ROWS_PER_STRIP, COUNTS, PREDICTOR, EXTRA, PROFILE = 277, 278, 279, 317, 338, 34675


def write_tiff(
    file: IO[bytes], size: tuple[int, int], bands: Iterable[Levels], notes: Notes
) -> None:
    """Write a picture; see `mtlsr.inference.pictures.png.write_png`. Grey of sixteen bits with
    transparency becomes RGB.

    The directory stands before the strips. It is as long before their places are known as it is
    afterwards, so that it is simply written twice.
    """
    strips = -(-size[1] // ROWS)
    counts: list[int] = []
    directory: ImageFileDirectory_v2 | None = None
    for strip in _strips(bands):
        if directory is None:
            directory = _directory(size, strip, notes)
            _place(file, directory, [0] * strips)
        counts.append(file.write(_packed(strip)))
    assert directory is not None
    file.seek(0)
    _place(file, directory, counts)


def _directory(size: tuple[int, int], strip: Levels, notes: Notes) -> ImageFileDirectory_v2:
    width, height = size
    channels = strip.shape[2]
    big = strip.itemsize * channels * width * height > CLASSIC
    header = b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0" + bytes(4)
    directory = ImageFileDirectory_v2(header)
    if exif := notes.exif_of(*size):
        for tag, value in exif.items():
            directory[tag] = value
        for tag in (0x8769, 0x8825):
            if found := exif.get_ifd(tag):
                directory[tag] = found
    if notes.dots:
        directory[DOTS_ACROSS] = directory[DOTS_DOWN] = notes.dots
        directory[DOTS_UNIT] = INCH
    directory[WIDTH], directory[HEIGHT] = size
    directory[BITS] = (8 * strip.itemsize,) * channels
    directory[COMPRESSION], directory[PREDICTOR] = DEFLATE, DIFFERENCES
    directory[PHOTOMETRIC] = RGB if channels > 2 else GREY
    directory[SAMPLES], directory[ROWS_PER_STRIP] = channels, ROWS
    if channels in (2, 4):
        directory.tagtype[EXTRA] = SHORT
        directory[EXTRA] = STRAIGHT_ALPHA
    if profile := notes.profile_of(1 if channels < 3 else 3):
        directory[PROFILE] = profile
    for tag in (OFFSETS, COUNTS):
        directory.tagtype[tag] = LONG8 if big else LONG
    return directory


def _place(file: IO[bytes], directory: ImageFileDirectory_v2, counts: list[int]) -> None:
    """Write header and directory for strips of these lengths, which follow each other."""
    # Pillow counts the places of strips from the end of the directory.
    directory[OFFSETS] = tuple(np.cumsum([0, *counts[:-1]]).tolist())
    directory[COUNTS] = tuple(counts)
    directory.save(file)


def _strips(bands: Iterable[Levels]) -> Iterator[Levels]:
    """Bands (rows, width[, channels]) as strips (ROWS, width, channels), the last one the rest."""
    held: list[Levels] = []
    for band in bands:
        pixels = band.reshape(*band.shape[:2], -1)
        if pixels.dtype == np.uint16 and pixels.shape[2] == 2:
            pixels = pixels[:, :, [0, 0, 0, 1]]  # as colours: few programs read such grey
        held.append(pixels)
        while sum(map(len, held)) >= ROWS:
            together = np.concatenate(held) if len(held) > 1 else held[0]
            yield together[:ROWS]
            held = [together[ROWS:]]
    if sum(map(len, held)):
        yield np.concatenate(held)


def _packed(strip: Levels) -> bytes:
    """Differences of neighbours in a row, deflated."""
    differences = np.diff(strip, axis=1, prepend=np.zeros_like(strip[:, :1]))
    return zlib.compress(differences.astype(strip.dtype.newbyteorder("<")).tobytes())
