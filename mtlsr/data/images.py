"""Image files in and out: uint8 arrays on one side, any file that Pillow knows on the other."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mtlsr.data.decoding import ImageError as ImageError
from mtlsr.data.decoding import decode, eight_bits, frames_of, opened
from mtlsr.errors import UserError
from mtlsr.files import replacing

UInt8 = NDArray[np.uint8]

WRITTEN = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
"""Suffixes that ``write_image`` knows, in lower case."""

SUFFIXES = WRITTEN | {".gif", ".apng", ".jfif", ".jpe", ".jp2", ".avif"}
"""What ``find_images`` takes for an image, in lower case."""

OPTIONS: dict[str, dict[str, Any]] = {
    ".webp": {"lossless": True, "exact": True},  # exact: colours that cannot be seen, too
    ".jpg": {"quality": 95, "subsampling": 0},  # as near as this format comes
    ".jpeg": {"quality": 95, "subsampling": 0},
}
"""What Pillow is told by suffix, so that as little as possible is lost."""


@dataclass(frozen=True)
class Header:
    """What a file says about its image before anything is decoded."""

    height: int
    width: int
    """As stored: a turn that a camera noted may swap the two."""
    frames: int
    """Pictures of an animation, or pages: see `mtlsr.data.decoding.frames_of`."""


def read_header(path: str | Path) -> Header:
    """Read an image's size and number of frames without decoding its pixels.

    Raises:
        ImageError: no such file, not an image, or a damaged beginning.
    """
    with opened(Path(path)) as image:
        return Header(image.height, image.width, frames_of(image))


def read_image(path: str | Path, grey: Literal["expand", "keep"] = "expand") -> UInt8:
    """Read an image file as eight bits a channel.

    - The orientation that a camera noted (EXIF) is applied.
    - A palette is looked up, and a palette of greys counts as colour. Transparency is dropped, not
      blended: the colours that are stored under it stay as they are, so no background colour has to
      be invented.
    - Sixteen bits become eight by rounding v / 257, so that 0 and 65535 become 0 and 255; twelve by
      rounding 255 v / 4095. One, two and four bits are spread over 0 to 255.
    - CMYK becomes RGB by R = (255 - C) (255 - K) / 255 and so on; YCbCr and Lab by Pillow's
      conversion. No colour profile is applied. Of sixteen bits in CMYK, or under colours that are
      stored multiplied by their transparency, the upper eight are taken.
    - Of several frames or pages the first is read (``screening`` is there to leave such files out).

    Args:
        path: the file.
        grey: what to do with a file that stores one channel: ``expand`` repeats it three times,
            ``keep`` returns two axes.

    Returns:
        uint8 ``(H, W, 3)``, RGB; or ``(H, W)`` for a grey file that is kept.

    Raises:
        ImageError: no such file, not an image, damaged or cut short, more pixels than Pillow thinks
            safe, or numbers without a known range (floating point, 32 bits, signed).
        ValueError: ``grey`` is neither of its two values.
    """
    if grey not in ("expand", "keep"):
        raise ValueError(f"grey is {grey!r}: 'expand' or 'keep' is needed.")
    pixels = eight_bits(decode(Path(path)).colours)
    if grey == "expand":
        pixels = as_rgb(pixels)
    return np.require(pixels, requirements=("C", "W"))


def as_rgb(image: NDArray[Any]) -> NDArray[Any]:
    """``(H, W, 3)``, numbers of any type; an image of one channel ``(H, W)`` three times."""
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)


def write_image(path: str | Path, image: UInt8) -> None:
    """Write an image file whole or not at all; the suffix names the format.

    It is written beside its place and then renamed, so that a reader never sees half a file and an
    interrupted write leaves an older file as it was. WebP is written without loss.

    Args:
        path: where to; its folder must exist.
        image: uint8 ``(H, W, 3)`` RGB, or ``(H, W)`` grey.

    Raises:
        ImageError: an unknown suffix, or a folder that is missing.
        ValueError: the image has another type or shape.
        OSError: the disk is full, or the folder may not be written to.
    """
    path = Path(path)
    image = np.asarray(image)
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.shape[2:] == (3,)):
        raise ValueError(
            f"The image is {image.dtype} of shape {image.shape}: "
            "uint8 (H, W, 3) or (H, W) is needed."
        )
    suffix = path.suffix.lower()
    if suffix not in WRITTEN:
        known = " ".join(sorted(WRITTEN))
        raise ImageError(path, f"the suffix {suffix!r} names no known format (known: {known})")
    if not path.parent.is_dir():
        raise ImageError(path, "its folder does not exist")

    format_ = Image.registered_extensions()[suffix]
    with replacing(path, binary=True) as file:
        Image.fromarray(image).save(file, format=format_, **OPTIONS.get(suffix, {}))


def find_images(folder: str | Path) -> list[Path]:
    """List the images in a folder and in the folders below it.

    Args:
        folder: where to look; hidden files and folders are passed over.

    Returns:
        Paths that begin with ``folder``, in natural order (``2.png`` before ``10.png``).

    Raises:
        UserError: the folder is missing, is a file, holds no image, or may not be read, or one of
            those below it may not.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"The folder {folder} {what}.")
    files, shut = visible_files(folder)
    if shut:  # never fewer photographs than are there, without a word
        raise UserError(f"The folder {min(shut)} may not be read.")
    found = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not found:
        known = " ".join(sorted(SUFFIXES))
        raise UserError(f"The folder {folder} holds no image (looked for {known}).")
    return sorted(found, key=natural_key)


def visible_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files in a folder and in those below it, and which of the folders may not be read.

    Hidden ones are passed over, and links to folders are not followed.
    """
    files: list[Path] = []
    shut: list[Path] = []
    walk = os.walk(folder, onerror=lambda error: shut.append(Path(error.filename)))
    for parent, folders, names in walk:
        folders[:] = [name for name in folders if not name.startswith(".")]
        if not os.access(parent, os.X_OK):  # its names are known, but nothing of what they name
            shut.append(Path(parent))
        paths = [os.path.join(parent, name) for name in names if not name.startswith(".")]
        files += [Path(path) for path in paths if os.path.isfile(path)]
    return files, shut


def natural_key(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Sort key that compares numbers inside a path as numbers."""
    pieces = re.findall(r"(\D*)(\d*)", path.as_posix().casefold())
    return [(text, int(number or -1)) for text, number in pieces], path.as_posix()
