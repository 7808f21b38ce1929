"""A folder of forty files such as people have: every format, and everything that goes wrong."""

import io
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

from tests.data.test_images import png_header

GREY = "minisblack"
RNG = np.random.default_rng(0)


def levels(*shape: int, depth: int = 8) -> np.ndarray:
    """Random levels of a picture."""
    kind = np.uint8 if depth == 8 else np.uint16
    return RNG.integers(0, 2**depth, shape, dtype=kind)


def encoded(format: str, pixels: np.ndarray, **options: object) -> bytes:
    """A file by Pillow."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def by_opencv(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def by_tifffile(pixels: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded("JPEG", levels(6, 9, 3), exif=exif)


def _inks() -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels(6, 9, 4), "CMYK").save(file, "JPEG")
    return file.getvalue()


def _pages(format: str) -> bytes:
    file = io.BytesIO()
    first, *others = (Image.fromarray(levels(6, 9, 3)) for _ in range(3))
    first.save(file, format, save_all=True, append_images=others)
    return file.getvalue()


def _grey_palette() -> bytes:
    file = io.BytesIO()
    Image.fromarray(levels(6, 9, 3)).quantize(8).save(file, "PNG", transparency=0)
    return file.getvalue()


GOOD: dict[str, tuple[bytes, tuple[int, int], str]] = {
    "photo(1).jpg": (encoded("JPEG", levels(6, 9, 3)), (9, 6), "RGB"),
    "a,b.jpg": (encoded("JPEG", levels(6, 9)), (9, 6), "L"),
    "a=b.jpg": (encoded("JPEG", levels(6, 9, 3), progressive=True), (9, 6), "RGB"),
    "été 2.jpg": (_turned(), (6, 9), "RGB"),
    "inks.jpg": (_inks(), (9, 6), "RGB"),
    "no suffix of its own.jpg": (encoded("PNG", levels(6, 9, 3)), (9, 6), "RGB"),
    "pixel.png": (encoded("PNG", levels(1, 1, 3)), (1, 1), "RGB"),
    "row.png": (encoded("PNG", levels(1, 70, 3)), (70, 1), "RGB"),
    "strip.png": (encoded("PNG", levels(3, 2000, 3)), (2000, 3), "RGB"),
    "column.png": (encoded("PNG", levels(2000, 3, 3)), (3, 2000), "RGB"),
    "grey.png": (encoded("PNG", levels(6, 9)), (9, 6), "L"),
    "grey alpha.png": (encoded("PNG", levels(6, 9, 2)), (9, 6), "LA"),
    "rgba.png": (encoded("PNG", levels(6, 9, 4)), (9, 6), "RGBA"),
    "bits.png": (encoded("PNG", levels(6, 9) > 127), (9, 6), "L"),
    "palette.png": (_grey_palette(), (9, 6), "RGBA"),
    "deep grey.png": (encoded("PNG", levels(6, 9, depth=16)), (9, 6), "I;16"),
    "deep.png": (by_opencv(".png", levels(6, 9, 3, depth=16)), (9, 6), "RGB 16"),
    "deep alpha.png": (by_opencv(".png", levels(6, 9, 4, depth=16)), (9, 6), "RGBA 16"),
    "web.webp": (encoded("WEBP", levels(6, 9, 3)), (9, 6), "RGB"),
    "web alpha.webp": (encoded("WEBP", levels(6, 9, 4), lossless=True, exact=True), (9, 6), "RGBA"),
    "packed.tif": (encoded("TIFF", levels(6, 9, 3), compression="tiff_lzw"), (9, 6), "RGB"),
    "layers.tiff": (encoded("TIFF", levels(6, 9, 4)), (9, 6), "RGBA"),
    "scan.tif": (by_tifffile(levels(6, 9, 3, depth=16), photometric="rgb"), (9, 6), "RGB 16"),
    "SCAN GREY.TIF": (by_tifffile(levels(6, 9, depth=16), photometric=GREY), (9, 6), "I;16"),
    "ink.tif": (by_tifffile(levels(6, 9, 4), photometric="separated"), (9, 6), "RGB"),
    "bitmap.bmp": (encoded("BMP", levels(6, 9, 3)), (9, 6), "RGB"),
    "bitmap grey.bmp": (encoded("BMP", levels(6, 9)), (9, 6), "L"),
    "portable.ppm": (encoded("PPM", levels(6, 9, 3)), (9, 6), "RGB"),
    "still.gif": (encoded("GIF", levels(6, 9)), (9, 6), "RGB"),  # its palette may hold colours
    "sub/folder/deeper.png": (encoded("PNG", levels(6, 9, 3)), (9, 6), "RGB"),
}  # fmt: skip
"""Name -> its bytes, width and height, and the mode of what comes out (16: of sixteen bits)."""

BAD: dict[str, tuple[bytes, str]] = {
    "truncated.jpg": (encoded("JPEG", levels(60, 90, 3))[:2000], "damaged or cut short"),
    "cut.png": (encoded("PNG", levels(60, 90, 3))[:4000], "damaged or cut short"),
    "a text.jpg": (b"Dear Sir or Madam,\n", "not an image of a known kind"),
    "empty.png": (b"", "the file is empty"),
    "animated.gif": (_pages("GIF"), "it holds 3 pictures, and one alone can be enlarged"),
    "pages.tif": (_pages("TIFF"), "it holds 3 pictures, and one alone can be enlarged"),
    "floats.tif": (
        by_tifffile(levels(6, 9).astype(np.float32), photometric="minisblack"),
        "floating-point",
    ),
    "bomb.png": (png_header(60000, 60000), "more pixels than 536,870,912"),
    "locked.png": (encoded("PNG", levels(6, 9, 3)), "the file may not be read"),
}
"""Name -> its bytes, and what is to be said of it."""

PASSED_OVER = {"notes.txt": b"No image.\n"}


def make(folder: Path) -> None:
    """Write all of them, forty in number."""
    contents = {name: made[0] for name, made in {**GOOD, **BAD}.items()} | PASSED_OVER
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "locked.png").chmod(0)
