"""One image file as numbers: its colours and its transparency at the file's own depth, upright."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from mtlsr.errors import UserError

Levels = NDArray[Any]
"""Of type uint8 or uint16; white is 255 or 65535."""

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "DIB", "PPM", "GIF", "AVIF", "JPEG2000")
"""What a file may hold, whatever its suffix says, in Pillow's words. Pillow knows more, but some of
that starts other programs (EPS), and none of it is a photograph's."""

PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, 2**24)
"""Bytes of a PNG's colour profile: as many as a JPEG's may have, from which it may come."""

LARGEST = 2**29
"""Pixels of a picture, at the most; Pillow stops at a third of it, and there are cameras of 200
million."""

if Image.MAX_IMAGE_PIXELS is not None:  # else whoever called us has no limit; it warns at a half
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, LARGEST // 2)

DEEP_GREY = ("I;16", "I;16L", "I;16B", "I;16N")
GREY = frozenset({"1", "L", "LA", "La", "I", *DEEP_GREY})
"""Pillow's modes of one channel, with or without transparency."""

OWN_PROFILE = frozenset({"P", "PA", "RGB", "RGBA", "RGBa"}) | GREY - {"1"}
"""Pillow's modes whose colours are kept as they are, so that a colour profile stays true."""


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
class Decoded:
    """What a file says, with the orientation that a camera noted applied."""

    colours: Levels
    """(h, w, 3) of RGB, or grey (h, w); of eight bits or of sixteen, all of which are used."""
    alpha: Levels | None
    """(h, w) of the same type: 0 is transparent. The colours under it are as they are stored."""
    profile: bytes | None
    """ICC profile of the colours, where they were not converted to others."""
    exif: Image.Exif
    """Notes of the camera, as they are stored; those of other directories are read."""
    dots: float | None
    """Pixels of an inch; None where the file does not say, or they are not square."""
    gamma: float | None
    """Of a PNG that says so: its levels are light to the power of this."""
    frames: int
    """Pictures of an animation, or pages; this is the first."""


def decode(path: Path) -> Decoded:
    """Read an image file; `mtlsr.data.images.read_image` says how the numbers come about.

    Raises:
        ImageError: See `mtlsr.data.images.read_image`.
    """
    with opened(path) as image:
        frames = frames_of(image)
        profile = image.info.get("icc_profile") if image.mode in OWN_PROFILE else None
        colours, alpha = _pixels(path, image)
        exif = _exif(image)
        turn = _TURN[int(exif.get(0x0112, 1))]
        return Decoded(
            turn(colours),
            None if alpha is None else turn(alpha),
            profile,
            exif,
            _dots(image),
            image.info.get("gamma"),
            frames,
        )


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
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
        reason = f"it has more pixels than {LARGEST:,}, the most that is safe to decode"
        raise ImageError(path, reason) from None
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble on
        reason = f"the image is damaged or cut short ({error})".replace("\n", " ")
        raise ImageError(path, reason) from error


def frames_of(image: Image.Image) -> int:
    """Pictures of an animation, or pages. The extra pictures that cameras store in a JPEG (MPO:
    previews, depth) are not counted: the first is the photograph."""
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


def eight_bits(values: Levels) -> NDArray[np.uint8]:
    """Round levels of 0..65535 to levels of 0..255; eight bits stay as they are."""
    if values.dtype == np.uint8:
        return values
    return _spread(values, 65535, 255).astype(np.uint8)


def parts(image: Image.Image) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Colours, grey (h, w) or RGB (h, w, 3), and transparency of a Pillow image of eight bits."""
    straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)  # colours are stored multiplied
    if straight:
        image = image.convert(straight)
    alpha = None
    if image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        image = image.copy()
        image.info.pop("transparency", None)  # else Pillow warns that it is dropped
    return np.asarray(image.convert("L" if image.mode in GREY else "RGB")), alpha


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)  # not every build has all


def _pixels(path: Path, image: Image.Image) -> tuple[Levels, Levels | None]:
    """Colours and transparency, not turned yet."""
    # How the file stores its pixels; these notes are gone once they are decoded.
    layout = " ".join(str(tile[3]) for tile in getattr(image, "tile", []))
    tags = getattr(image, "tag_v2", {})
    bits, inverted = tags.get(_BITS, (16,))[0], tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    image.load()
    few = next((bits for bits in (2, 4) if f"L;{bits}" in layout), 8)
    if few < 8 and "transparency" in image.info:  # Pillow spreads the levels, but not this one
        image.info["transparency"] *= 255 // (2**few - 1)
    if image.mode in DEEP_GREY:
        stored, most = np.asarray(image), 2**bits - 1
        return _deep_grey(image, most - stored if inverted else stored, most)
    if image.mode == "I" and image.format in ("PNG", "PPM"):  # which have no 32 bits
        return _deep_grey(image, np.asarray(image), 65535)
    if image.mode == "I":
        raise ImageError(path, "its numbers of 32 bits, or with a sign, have no known range")
    if image.mode == "F":
        raise ImageError(path, "its floating-point numbers have no known range")
    if tags.get(_PLANES) == _APART and bits > 8:  # which Pillow and OpenCV both scramble
        raise ImageError(path, "its colours of sixteen bits lie in planes, each colour apart")
    if ";16" in layout and "RGBa" not in layout and image.mode in ("LA", "RGB", "RGBA", "RGBX"):
        # Pillow would keep the upper byte only. OpenCV has turned a TIFF upright already, as
        # Pillow has.
        deep = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        if deep is not None and deep.dtype == np.uint16 and deep.ndim == 3:
            alpha = deep[:, :, 3] if deep.shape[2] == 4 and "RGBX" not in layout else None
            return deep[:, :, 2] if "LA;16" in layout else deep[:, :, 2::-1], alpha
    return parts(image)


_BITS, _PHOTOMETRIC, _WHITE_IS_ZERO, _PLANES, _APART = 258, 262, 0, 284, 2  # of TIFF


def _deep_grey(
    image: Image.Image, stored: NDArray[Any], most: int
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    clear = image.info.get("transparency")  # of PNG: the one level that is not seen
    alpha = None if clear is None else np.where(stored == clear, 0, 65535).astype(np.uint16)
    return _spread(stored, most, 65535).astype(np.uint16), alpha


def _spread(values: NDArray[Any], most: int, wanted: int) -> NDArray[np.uint32]:
    """Scale 0..most to 0..wanted and round; most is odd, so that nothing lies half-way."""
    return (values.astype(np.uint32) * wanted + most // 2) // most


def _exif(image: Image.Image) -> Image.Exif:
    try:
        exif = image.getexif()
        for directory in (0x8769, 0x8825):  # the camera's, and the place: read while it is open
            exif.get_ifd(directory)
        int(exif.get(0x0112, 1))
    except Exception:  # a note that cannot be read does not spoil the photograph
        return Image.Exif()
    return exif


def _dots(image: Image.Image) -> float | None:
    """Pixels of an inch, where they are square and other files can hold the number."""
    try:
        across, down = map(float, image.info.get("dpi", (0, 0)))
    except Exception:  # a note that cannot be read does not spoil the photograph
        return None
    return across if across == down and 0 < across < 2**16 else None


class _Turns(dict[int, Callable[[Any], Any]]):
    """EXIF orientation -> what brings the picture upright; unknown numbers leave it alone."""

    def __missing__(self, orientation: int) -> Callable[[Any], Any]:
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
