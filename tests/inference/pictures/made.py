"""Pictures for the tests of files."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base

KINDS = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}
"""Pillow's word -> axes beside height and width."""


def ramp(kind: str, width: int, height: int, depth: int = 8) -> np.ndarray:
    """A ramp with noise: every choice of the filter occurs, and every overflow."""
    rng = np.random.default_rng(0)
    most, axes = 2**depth - 1, KINDS[kind] or (1,)
    across = np.linspace(0, most, width)[None, :, None] * np.ones((height, 1, *axes))
    pixels = (across + rng.normal(0, most / 12, across.shape)).clip(0, most)
    pixels = pixels.astype(np.uint8 if depth == 8 else np.uint16)
    lower = pixels[height // 2 :]
    pixels[height // 2 :] = rng.integers(0, most + 1, lower.shape)
    return pixels if KINDS[kind] else pixels[:, :, 0]


def cut(image: np.ndarray, *rows: int) -> Iterator[np.ndarray]:
    """The picture in bands that end at these rows."""
    for top, bottom in pairwise((0, *rows, len(image))):
        yield image[top:bottom]


def camera() -> Image.Exif:
    """Notes of a camera."""
    exif = Image.Exif()
    exif[Base.Make] = "Camera"
    details = exif.get_ifd(IFD.Exif)
    details[Base.ExposureTime], details[Base.ExifImageWidth] = 0.008, 9
    details[Base.MakerNote] = b"secret numbers"
    exif.get_ifd(IFD.GPSInfo)[1] = "N"
    return exif
