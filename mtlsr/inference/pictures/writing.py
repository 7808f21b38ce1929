"""Picture files of every format, whole or not at all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from mtlsr.data.decoding import Levels, eight_bits
from mtlsr.data.images import OPTIONS
from mtlsr.errors import UserError
from mtlsr.files import replacing
from mtlsr.inference.pictures.picture import Notes
from mtlsr.inference.pictures.png import write_png
from mtlsr.inference.pictures.tiff import write_tiff

JPEG_NOTES = 65533
"""Bytes of EXIF that a JPEG holds at the most: of one segment, less its length."""


def _whole(
    name: str,
    file: IO[bytes],
    size: tuple[int, int],
    bands: Iterable[Levels],
    notes: Notes,
) -> None:
    """Write by Pillow, which needs the picture at once, and of eight bits."""
    image = Image.fromarray(np.concatenate([eight_bits(band) for band in bands]))
    if not FORMATS[name].transparent:
        image = image.convert({"LA": "L", "RGBA": "RGB"}.get(image.mode, image.mode))
    exif = notes.exif_of(*size)
    if name == "jpg" and exif and len(exif.tobytes()) > JPEG_NOTES:
        exif = None  # rather than no picture
    # WebP has no grey.
    profile = notes.profile_of(1 if image.mode in ("L", "LA") and name != "webp" else 3)
    dots = notes.dots and (notes.dots, notes.dots)
    beside: dict[str, Any] = {"icc_profile": profile, "exif": exif, "dpi": dots}
    options = OPTIONS.get(f".{name}", {}) | {key: held for key, held in beside.items() if held}
    image.save(file, format=Image.registered_extensions()[f".{name}"], **options)


@dataclass(frozen=True)
class Format:
    """A kind of file that pictures are written as."""

    suffixes: tuple[str, ...]
    """Of its files; the first one is given to those that had another."""
    write: Callable[[IO[bytes], tuple[int, int], Iterable[Levels], Notes], None]
    longest: int = 2**31 - 1
    """Pixels of a side, at the most."""
    transparent: bool = True
    """Whether it holds transparency."""


FORMATS = {
    "png": Format((".png",), write_png),
    "tif": Format((".tif", ".tiff"), write_tiff),
    "webp": Format((".webp",), partial(_whole, "webp"), longest=16383),
    "jpg": Format((".jpg", ".jpeg"), partial(_whole, "jpg"), longest=65500, transparent=False),
    "bmp": Format((".bmp",), partial(_whole, "bmp"), transparent=False),
}
"""By name. PNG and TIFF hold sixteen bits and are written band by band; the others hold eight, and
are in memory whole before they are written."""

SUFFIXES = {suffix: name for name, kind in FORMATS.items() for suffix in kind.suffixes}
"""Suffix in lower case -> name of the format."""


def check_picture(path: Path, size: tuple[int, int], transparent: bool) -> None:
    """Refuse what the format of a file cannot hold, before any work is done for it.

    Args:
        path: Where it is to go; its suffix names the format.
        size: Width and height.
        transparent: Whether some of it can be seen through.

    Raises:
        UserError: It is too large, or JPEG or BMP should hold transparency.
    """
    kind = FORMATS[SUFFIXES[path.suffix.lower()]]
    name = path.suffix.lower().removeprefix(".").upper()
    if max(size) > kind.longest:
        raise UserError(
            f"It becomes {size[0]}x{size[1]} pixels, and {name} holds at most {kind.longest} on a "
            "side; format=png and format=tif hold it."
        )
    if transparent and not kind.transparent:
        raise UserError(
            f"It is transparent, which {name} cannot hold; format=png, tif and webp can."
        )


def write_picture(
    path: Path, size: tuple[int, int], bands: Iterable[Levels], notes: Notes | None = None
) -> None:
    """Write a file whole or not at all, and the folders that lead to it; the suffix is its format.

    Args:
        path: The file.
        size: See `write_png`.
        bands: See `write_png`.
        notes: What is kept beside the pixels, as far as the format holds it: BMP its resolution
            alone, JPEG no EXIF of more than 64 kB, WebP no profile of grey and no resolution.

    Raises:
        OSError: The disk is full, or the folder may not be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write = FORMATS[SUFFIXES[path.suffix.lower()]].write
    with replacing(path, binary=True) as file:
        write(file, size, bands, notes or Notes())
