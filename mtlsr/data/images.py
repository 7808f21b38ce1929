"""Image files in and out: uint8 arrays on one side, any file that Pillow knows on the other."""

import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from mtlsr.errors import UserError

UInt8 = NDArray[np.uint8]

SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm")
)
"""What ``find_images`` takes for an image, in lower case."""

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
        return f"{self.path}: {self.reason}."


def read_image(path: str | Path, grey: Literal["expand", "keep"] = "expand") -> UInt8:
    """Read an image file as eight bits a channel.

    - The orientation that a camera noted (EXIF) is applied.
    - A palette is looked up. Transparency is dropped, not blended: the colours that are stored
      under it stay as they are, so no background colour has to be invented.
    - Sixteen bits become eight by rounding v / 257, so that 0 and 65535 become 0 and 255.
    - CMYK, YCbCr and Lab become RGB by Pillow's conversion, without colour profiles.
    - Of several frames or pages the first is read.

    Args:
        path: the file.
        grey: what to do with a file that stores one channel: ``expand`` repeats it three times,
            ``keep`` returns two axes.

    Returns:
        uint8 ``(H, W, 3)``, RGB; or ``(H, W)`` for a grey file that is kept.

    Raises:
        ImageError: no such file, not an image, damaged or cut short, more pixels than Pillow thinks
            safe, or numbers without a known range (floating point, 32 bits).
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
    if suffix not in SUFFIXES:
        known = " ".join(sorted(SUFFIXES))
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


def _decode(path: Path) -> UInt8:
    try:
        with Image.open(path) as image:
            image.load()
            return _TURN[image.getexif().get(0x0112, 1)](_pixels(path, image))
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(path, "the file does not exist") from None
    except IsADirectoryError:
        raise ImageError(path, "this is a folder, not a file") from None
    except PermissionError:
        raise ImageError(path, "the file may not be read") from None
    except UnidentifiedImageError:
        empty = path.stat().st_size == 0
        raise ImageError(path, "the file is empty" if empty else "this is not an image") from None
    except Image.DecompressionBombError:
        raise ImageError(path, "it has more pixels than is safe to decode") from None
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble on
        reason = f"the image is damaged or cut short ({error})".replace("\n", " ")
        raise ImageError(path, reason) from error


def _pixels(path: Path, image: Image.Image) -> UInt8:
    if image.mode in ("I", "I;16", "I;16L", "I;16B", "I;16N"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise ImageError(path, "its 32-bit numbers have no known range")
        return _eight_bits(values)
    if image.mode == "F":
        raise ImageError(path, "its floating-point numbers have no known range")
    if _sixteen_bits_a_channel(path):
        # Pillow would keep the upper byte only, which is not the same as rounding.
        colours = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        if colours is not None and colours.dtype == np.uint16 and colours.ndim == 3:
            colours = _eight_bits(colours[:, :, 2::-1])
            return colours[:, :, 0] if image.mode in GREY_MODES else colours
    return np.asarray(image.convert("L" if image.mode in GREY_MODES else "RGB"))


def _sixteen_bits_a_channel(path: Path) -> bool:
    with Image.open(path) as unread:  # the description of the pixels goes when they are decoded
        return any(";16" in str(tile[3]) for tile in getattr(unread, "tile", []))


def _eight_bits(values: NDArray[Any]) -> UInt8:
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


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
