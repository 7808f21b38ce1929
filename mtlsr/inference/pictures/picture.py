"""A picture as its file holds it: pixels at their own depth, and what is noted beside them."""

from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base

from mtlsr.data.decoding import ImageError, Levels, decode

KEPT = frozenset(
    {
        Base.ImageDescription, Base.Make, Base.Model, Base.Software, Base.DateTime, Base.Artist,
        Base.HostComputer, Base.Copyright, Base.Rating, Base.RatingPercent, Base.XPTitle,
        Base.XPComment, Base.XPAuthor, Base.XPKeywords, Base.XPSubject, Base.XResolution,
        Base.YResolution, Base.ResolutionUnit,
    }
)  # fmt: skip
"""Notes of the first directory that speak of the photograph, not of how the file stores it."""


@dataclass(frozen=True)
class Notes:
    """What a file says of its picture, beside the pixels."""

    profile: bytes | None = None
    """ICC colour profile."""
    exif: Image.Exif = field(default_factory=Image.Exif)
    """Of the camera; without its orientation, which is applied."""
    dots: float | None = None
    """Pixels of an inch."""
    gamma: float | None = None
    """See `mtlsr.data.decoding.Decoded`."""

    def profile_of(self, colours: int) -> bytes | None:
        """The colour profile for a picture of 1 or 3 colours; None where it is of grey alone."""
        own = self.profile is None or self.profile[16:20] != b"GRAY" or colours == 1
        return self.profile if own else None

    def exif_of(self, width: int, height: int) -> Image.Exif | None:
        """The camera's notes for a picture of another size; None where there are none."""
        if not len(self.exif) and not any(map(self.exif.get_ifd, (IFD.Exif, IFD.GPSInfo))):
            return None
        details = self.exif.get_ifd(IFD.Exif)
        details[Base.ExifImageWidth], details[Base.ExifImageHeight] = width, height
        return self.exif


@dataclass(frozen=True)
class Picture:
    """What `Upscaler.bands` takes, and its notes."""

    pixels: Levels
    """uint8 or uint16; (h, w, 3) or grey (h, w), with transparency (h, w, 4) or (h, w, 2)."""
    notes: Notes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def transparent(self) -> bool:
        """Whether some of it can be seen through."""
        if self.pixels.ndim == 2 or self.pixels.shape[2] == 3:
            return False
        return bool((self.pixels[:, :, -1] < np.iinfo(self.pixels.dtype).max).any())


def read_picture(path: Path) -> Picture:
    """Read an image upright, at its own depth, with its transparency, profile and EXIF.

    Raises:
        ImageError: See `mtlsr.data.images.read_image`; or the file holds several pictures.
    """
    found = decode(path)
    if found.frames > 1:
        raise ImageError(path, f"it holds {found.frames} pictures, and one alone can be enlarged")
    pixels = found.colours if found.alpha is None else np.dstack([found.colours, found.alpha])
    return Picture(pixels, Notes(found.profile, _kept(found.exif), found.dots, found.gamma))


def _kept(stored: Image.Exif) -> Image.Exif:
    """The notes that can be written again; one that cannot does not spoil the others."""
    exif = Image.Exif()
    for kept in KEPT & set(stored):
        _keep(exif, exif, kept, stored[kept])
    for directory in (IFD.Exif, IFD.GPSInfo):
        for tag, value in stored.get_ifd(directory).items():
            if tag != IFD.Interop:
                _keep(exif, exif.get_ifd(directory), tag, value)
    if IFD.Interop in stored.get_ifd(IFD.Exif):
        with suppress(Exception):  # it has not been read before
            _keep(exif, exif.get_ifd(IFD.Exif), IFD.Interop, stored.get_ifd(IFD.Interop))
    return exif


def _keep(exif: Image.Exif, notes: MutableMapping[int, Any], tag: int, value: Any) -> None:
    """Add a note to those of a directory in `exif`, unless Pillow cannot write it."""
    if isinstance(value, str) and not value.isascii():
        value = value.encode("latin-1")  # what was read byte by byte would be written as ASCII
    notes[tag] = value
    try:
        exif.tobytes()
    except Exception:  # of any kind, depending on what the camera wrote
        del notes[tag]
