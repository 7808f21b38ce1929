"""Image files in and out: uint8 arrays on one side, any file that Pillow knows on the other."""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mtlsr.errors import UserError

UInt8 = NDArray[np.uint8]

WRITTEN = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
"""Suffixes that ``write_image`` knows, in lower case."""

SUFFIXES = WRITTEN | {".gif", ".apng"}
"""What ``find_images`` takes for an image, in lower case."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "DIB", "PPM", "GIF", "AVIF", "JPEG2000")
"""What a file may hold, whatever its suffix says, in Pillow's words. Pillow knows more, but some of
that starts other programs (EPS), and none of it is a photograph's."""

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})

LOSSLESS: dict[str, dict[str, Any]] = {
    ".webp": {"lossless": True},
    ".jpg": {"quality": 95, "subsampling": 0},  # as near as this format comes
    ".jpeg": {"quality": 95, "subsampling": 0},
}


class ImageError(UserError):
    """An image file that cannot be read or written; says which file and why in one sentence."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        name = str(self.path)
        # A file's name may hold line breaks, or bytes that no terminal takes.
        return f"{name if name.isprintable() else ascii(name)}: {self.reason}."


@dataclass(frozen=True)
class Header:
    """What a file says about its image before anything is decoded."""

    height: int
    width: int
    """As stored: a turn that a camera noted may swap the two."""
    frames: int
    """Pictures of an animation, or pages. The extra pictures that cameras store in a JPEG (MPO:
    previews, depth) are not counted: the first is the photograph."""


def read_header(path: str | Path) -> Header:
    """Read an image's size and number of frames without decoding its pixels.

    Raises:
        ImageError: no such file, not an image, or a damaged beginning.
    """
    with _opened(Path(path)) as image:
        frames = 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
        return Header(image.height, image.width, frames)


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
    path = Path(path)
    pixels = _decode(path)
    if pixels.ndim == 2 and grey == "expand":
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return np.require(pixels, requirements=("C", "W"))


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
    unfinished = path.with_name(f".{uuid.uuid4().hex}{suffix}")
    try:
        Image.fromarray(image).save(unfinished, format=format_, **LOSSLESS.get(suffix, {}))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def find_images(folder: str | Path) -> list[Path]:
    """List the images in a folder and in the folders below it.

    Args:
        folder: where to look; hidden files and folders are passed over.

    Returns:
        Paths that begin with ``folder``, in natural order (``2.png`` before ``10.png``).

    Raises:
        ValueError: the folder is missing, is a file, or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ValueError(f"The folder {folder} {what}.")
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        known = " ".join(sorted(SUFFIXES))
        raise ValueError(f"The folder {folder} holds no image (looked for {known}).")
    return sorted(found, key=natural_key)


def natural_key(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Sort key that compares numbers inside a path as numbers."""
    pieces = re.findall(r"(\D*)(\d*)", path.as_posix().casefold())
    return [(text, int(number or -1)) for text, number in pieces], path.as_posix()


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file as Pillow opens it; whatever goes wrong in the block becomes an ``ImageError``."""
    try:
        # A file, not its name: by name Pillow maps it, and scrambles grey TIFFs that are turned.
        with path.open("rb") as file, Image.open(file, formats=_formats()) as image:
            yield image
    except (ImageError, MemoryError):
        raise
    except FileNotFoundError:
        raise ImageError(path, "the file does not exist") from None
    except IsADirectoryError:
        raise ImageError(path, "this is a folder, not a file") from None
    except PermissionError:
        raise ImageError(path, "the file may not be read") from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        reason = "the file is empty" if empty else "this is not an image of a known kind"
        raise ImageError(path, reason) from None
    except Image.DecompressionBombError:
        raise ImageError(path, "it has more pixels than is safe to decode") from None
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble on
        reason = f"the image is damaged or cut short ({error})".replace("\n", " ")
        raise ImageError(path, reason) from error


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)  # not every build has all


def _decode(path: Path) -> UInt8:
    with _opened(path) as image:
        pixels = _pixels(path, image)
        return _TURN[_orientation(image)](pixels)


def _pixels(path: Path, image: Image.Image) -> UInt8:
    # How the file stores its pixels; these notes are gone once they are decoded.
    layout = " ".join(str(tile[3]) for tile in getattr(image, "tile", []))
    tags = getattr(image, "tag_v2", {})
    bits, inverted = tags.get(_BITS, (16,))[0], tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    image.load()
    if image.mode in ("I;16", "I;16L", "I;16B", "I;16N"):
        values, most = np.asarray(image), 2**bits - 1
        return _eight_bits(most - values if inverted else values, most)
    if image.mode == "I" and image.format in ("PNG", "PPM"):  # which have no 32 bits
        return _eight_bits(np.asarray(image), 65535)
    if image.mode == "I":
        raise ImageError(path, "its numbers of 32 bits, or with a sign, have no known range")
    if image.mode == "F":
        raise ImageError(path, "its floating-point numbers have no known range")
    grey = image.mode in GREY_MODES or "LA;16" in layout
    if ";16" in layout and "RGBa" not in layout and image.mode in ("LA", "RGB", "RGBA", "RGBX"):
        # Pillow would keep the upper byte only, which is not the same as rounding. OpenCV has
        # turned a TIFF upright already, as Pillow has.
        colours = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        if colours is not None and colours.dtype == np.uint16 and colours.ndim == 3:
            rounded = _eight_bits(colours[:, :, 2::-1], 65535)
            return rounded[:, :, 0] if grey else rounded
    image.info.pop("transparency", None)  # else Pillow warns that it is dropped
    return np.asarray(image.convert("L" if grey else "RGB"))


_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # of TIFF


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a note that cannot be read does not spoil the photograph
        return 1


def _eight_bits(values: NDArray[Any], most: int) -> UInt8:
    """Scale 0..most to 0..255 and round; most is odd, so that nothing lies half-way."""
    return ((values.astype(np.uint32) * 255 + most // 2) // most).astype(np.uint8)


class _Turns(dict[int, Callable[[UInt8], UInt8]]):
    """EXIF orientation -> what brings the picture upright; unknown numbers leave it alone."""

    def __missing__(self, orientation: int) -> Callable[[UInt8], UInt8]:
        return lambda x: x


_TURN = _Turns(
    {
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        5: lambda x: x.swapaxes(0, 1),
        6: lambda x: np.rot90(x, -1),
        7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
        8: lambda x: np.rot90(x, 1),
    }
)
