"""A folder of broken, odd and hostile files, each with what should become of it."""

import io
import os
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

SIDE = 64
"""Pixels of a usable photograph's shorter side."""


def fill(folder: Path) -> tuple[set[bytes], set[bytes]]:
    """Write the files.

    Returns:
        Names, as bytes and relative to the folder, of the usable ones and of the others.
    """
    good, bad = _good(), _bad()
    for name, content in {**good, **bad}.items():
        path = os.path.join(os.fsencode(folder), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
    (folder / "link.png").symlink_to("plain.png")
    (folder / "nowhere.png").symlink_to("none.png")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "endless.png").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.png")
    special = {b"nowhere.png", b"loop.png", b"endless.png", b"pipe.png"}
    return {*good, b"link.png"}, {*bad, *special}


def _good() -> dict[bytes, bytes]:
    plain = _saved("PNG")
    sixteen = np.random.default_rng(0).integers(0, 65536, (SIDE, 80, 3), dtype=np.uint16)
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        b"plain.png": plain,
        b"UPPER.PNG": _saved("PNG"),
        b"grey.png": _saved("PNG", "L"),
        b"bits.png": _saved("PNG", "1"),
        b"palette.png": _saved("PNG", "P"),
        b"alpha.png": _saved("PNG", "RGBA"),
        b"grey_alpha.png": _saved("PNG", "LA"),
        b"sixteen.png": cv2.imencode(".png", sixteen)[1].tobytes(),
        b"sixteen_grey.png": cv2.imencode(".png", sixteen[..., 0])[1].tobytes(),
        b"plain.tif": _saved("TIFF"),
        b"packed.tiff": _saved("TIFF", compression="tiff_lzw"),
        b"sixteen.tif": cv2.imencode(".tif", sixteen)[1].tobytes(),
        b"cmyk.tif": _saved("TIFF", "CMYK"),
        b"lossy.webp": _saved("WEBP", quality=80),
        b"lossless.webp": _saved("WEBP", lossless=True),
        b"plain.jpg": _saved("JPEG"),
        b"progressive.jpeg": _saved("JPEG", progressive=True),
        b"cmyk.jpg": _saved("JPEG", "CMYK"),
        b"turned.jpg": _saved("JPEG", exif=turned),
        b"notes.jpg": _saved("JPEG", exif=b"Exif\0\0nonsense"),
        b"plain.bmp": _saved("BMP"),
        b"plain.ppm": _saved("PPM"),
        b"plain.pgm": _saved("PPM", "L"),
        b"still.gif": _saved("GIF", "P"),
        b"jpeg_in_truth.png": _saved("JPEG"),
        b"trailing.png": plain + b"rubbish" * 99,
        b"deep/er/down.png": _saved("PNG"),
        b"folder.png/inside.png": _saved("PNG"),
        "été 日本.png".encode(): _saved("PNG"),
        b"[red]photo (1),a=b's.png": _saved("PNG"),
        b"line\nbreak.png": _saved("PNG"),
        b"\x1b[2Jescape.png": _saved("PNG"),
        b"\xff\xfebytes.png": _saved("PNG"),
        b"-rf.png": _saved("PNG"),
        (b"long" * 60)[:240] + b".png": _saved("PNG"),
    }


def _bad() -> dict[bytes, bytes]:
    png, jpeg, webp, tiff = (_saved(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF"))
    archive, squeezed = io.BytesIO(), zlib.compress(bytes(1 << 27))
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../evil.png", png)
    return {
        b"empty.png": b"",
        b"text.png": b"This is no image.",
        b"page.jpg": b"<!doctype html><html>404</html>",
        b"drawing.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"program.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\nquit\n",
        b"pickle.png": b"cos\nsystem\n(S'touch evil'\ntR.",
        b"archive.png": archive.getvalue(),
        b"noise.webp": np.random.default_rng(9).bytes(5000),
        b"zeros.bmp": bytes(5000),
        b"cut.png": png[: len(png) // 2],
        b"cut.jpg": jpeg[: len(jpeg) // 2],
        b"cut.webp": webp[: len(webp) // 2],
        b"cut.tif": tiff[: len(tiff) // 2],
        b"cut.bmp": _saved("BMP")[:3000],
        b"cut.ppm": _saved("PPM")[:3000],
        b"cut.gif": _saved("GIF", "P")[:300],
        b"head.png": png[:8],
        b"head.jpg": jpeg[:2],
        b"flipped.png": png[:200] + bytes(255 - value for value in png[200:260]) + png[260:],
        b"bomb.png": _png(100_000, 100_000, b""),
        b"tall.png": _png(1, 2**31 - 1, b""),
        b"none.png.png": _png(0, 0, b""),
        b"short.png": _png(SIDE, SIDE, zlib.compress(bytes(100))),
        b"text_bomb.png": _png(SIDE, SIDE, _rows(), (b"zTXt", b"a\0\0" + squeezed)),
        b"real.tif": _saved("TIFF", "F"),
        b"wide.tif": _saved("TIFF", "I"),
        b"circle.tif": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
        b"moving.gif": _moving("GIF"),
        b"moving.png": _moving("PNG"),
        b"moving.webp": _moving("WEBP"),
        b"pages.tif": _moving("TIFF"),
        b"dot.png": _saved("PNG", size=(1, 1)),
        b"strip.png": _saved("PNG", size=(500, 9)),
    }  # fmt: skip


def _image(mode: str, size: tuple[int, int], seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return (
        Image.fromarray(cv2.blur(values, (5, 5)))
        .convert("L" if mode == "LA" else "RGB")
        .convert(mode)
    )


def _saved(
    kind: str, mode: str = "RGB", size: tuple[int, int] = (80, SIDE), **options: object
) -> bytes:
    if mode in ("F", "I"):
        image = Image.fromarray(np.asarray(_image("L", size)).astype("f4" if mode == "F" else "i4"))
    else:
        image = _image(mode, size)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _moving(kind: str) -> bytes:
    first, second = (_image("RGB", (80, SIDE), seed) for seed in (1, 2))
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=[second])
    return buffer.getvalue()


def _rows() -> bytes:
    return zlib.compress(bytes((3 * SIDE + 1) * SIDE))


def _png(width: int, height: int, data: bytes, *more: tuple[bytes, bytes]) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), *more, (b"IDAT", data), (b"IEND", b"")]
    written = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)
