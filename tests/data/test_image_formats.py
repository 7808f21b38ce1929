"""Files that other programs wrote: OpenCV, tifffile, imageio, or the format's own bytes."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import imageio.v3
import numpy as np
import pytest
import tifffile
from PIL import Image

from mtlsr.data.decoding import decode
from mtlsr.data.images import SUFFIXES, Header, ImageError, find_images, read_header, read_image

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
ALPHA = RNG.integers(0, 256, (6, 9, 1), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16)
DEEP_ALPHA = RNG.integers(0, 65536, (6, 9, 1), dtype=np.uint16)
ROUNDED = np.rint(DEEP / 257).astype(np.uint8)
SMOOTH = cv2.resize(RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8), (96, 64))


# ---- the formats' own bytes --------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: tuple[int, int], depth: int, colour: int, rows: list[bytes], *more: bytes) -> bytes:
    """A PNG without filters; `rows` are packed pixels, `more` are chunks before them."""
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    chunks = [chunk(b"IHDR", header), *more, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def packed(values: np.ndarray, depth: int) -> list[bytes]:
    """Rows of numbers of `depth` bits, most significant first."""
    bits = (values[..., None] >> np.arange(depth)[::-1]) & 1
    return [np.packbits(row.reshape(-1)).tobytes() for row in bits]


def tiff(values: np.ndarray, depth: int) -> bytes:
    """A little-endian grey TIFF of one strip."""
    strip = b"".join(packed(values, depth))
    entries = {
        256: values.shape[1], 257: values.shape[0], 258: depth, 259: 1, 262: 1,
        273: 8, 277: 1, 278: values.shape[0], 279: len(strip),
    }  # fmt: skip
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    start = struct.pack("<2sHI", b"II", 42, 8 + len(strip))
    return start + strip + struct.pack("<H", len(entries)) + table + bytes(4)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_few_bits_of_grey_are_spread(tmp_path: Path, depth: int) -> None:
    values = RNG.integers(0, 2**depth, (6, 9))
    (tmp_path / "a.png").write_bytes(png((6, 9), depth, 0, packed(values, depth)))
    expected = values * 255 // (2**depth - 1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", grey="keep"), expected)


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_one_level_of_grey_is_transparent(tmp_path: Path, depth: int) -> None:
    values = RNG.integers(0, 2**depth, (6, 9))
    clear = chunk(b"tRNS", struct.pack(">H", values[0, 0]))
    (tmp_path / "a.png").write_bytes(png((6, 9), depth, 0, packed(values, depth), clear))
    alpha = decode(tmp_path / "a.png").alpha
    assert alpha is not None
    np.testing.assert_array_equal(alpha == 0, values == values[0, 0])


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_palette_is_looked_up_and_its_transparency_dropped(tmp_path: Path, depth: int) -> None:
    palette = RNG.integers(0, 256, (2**depth, 3), dtype=np.uint8)
    values = RNG.integers(0, 2**depth, (6, 9))
    clear = chunk(b"tRNS", bytes(2**depth))
    file = png((6, 9), depth, 3, packed(values, depth), chunk(b"PLTE", palette.tobytes()), clear)
    (tmp_path / "a.png").write_bytes(file)
    for grey in ("expand", "keep"):
        np.testing.assert_array_equal(read_image(tmp_path / "a.png", grey=grey), palette[values])


def test_a_palette_of_greys_counts_as_colour(tmp_path: Path) -> None:
    palette = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
    file = png((6, 9), 8, 3, packed(GREY.astype(int), 8), chunk(b"PLTE", palette.tobytes()))
    (tmp_path / "a.png").write_bytes(file)
    assert read_image(tmp_path / "a.png", grey="keep").shape == (6, 9, 3)


def test_sixteen_bits_of_grey_with_alpha(tmp_path: Path) -> None:
    both = np.concatenate([DEEP[..., :1], DEEP_ALPHA], 2)
    rows = [row.astype(">u2").tobytes() for row in both]
    (tmp_path / "a.png").write_bytes(png((6, 9), 16, 4, rows))
    read = read_image(tmp_path / "a.png", grey="keep")
    np.testing.assert_array_equal(read, ROUNDED[..., 0])


def test_a_transparent_colour_stays_as_it_is(tmp_path: Path) -> None:
    clear = chunk(b"tRNS", struct.pack(">HHH", *COLOUR[0, 0]))
    rows = [row.tobytes() for row in COLOUR]
    (tmp_path / "a.png").write_bytes(png((6, 9), 8, 2, rows, clear))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)


def test_twelve_bits(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (6, 10))
    values[0, :2] = 0, 4095
    (tmp_path / "a.tif").write_bytes(tiff(values, 12))
    read = read_image(tmp_path / "a.tif", grey="keep")
    np.testing.assert_array_equal(read, np.rint(values * (255 / 4095)))


# ---- OpenCV and imageio ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", []),
        ("a.bmp", []),
        ("a.tif", []),
        ("a.ppm", []),
        ("a.webp", [cv2.IMWRITE_WEBP_QUALITY, 101]),  # without loss
    ],
)
def test_eight_bits_by_opencv(tmp_path: Path, name: str, options: list[int]) -> None:
    cv2.imwrite(str(tmp_path / name), COLOUR[..., ::-1], options)
    np.testing.assert_array_equal(read_image(tmp_path / name), COLOUR)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES - {".pgm", ".pbm"}))
def test_whatever_is_named_like_an_image_can_be_read(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / f"a{suffix}")
    assert find_images(tmp_path) == [tmp_path / f"a{suffix}"]
    assert read_image(tmp_path / f"a{suffix}").shape == SMOOTH.shape


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_alpha_by_opencv(tmp_path: Path, name: str) -> None:
    opaque = np.full_like(ALPHA, 255) if name == "a.webp" else ALPHA  # its writer blackens others
    whole = np.concatenate([COLOUR[..., ::-1], opaque], 2)
    cv2.imwrite(str(tmp_path / name), whole, [cv2.IMWRITE_WEBP_QUALITY, 101])
    np.testing.assert_array_equal(read_image(tmp_path / name), COLOUR)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_with_alpha_by_opencv(tmp_path: Path, name: str) -> None:
    cv2.imwrite(str(tmp_path / name), np.concatenate([DEEP[..., ::-1], DEEP_ALPHA], 2))
    np.testing.assert_array_equal(read_image(tmp_path / name), ROUNDED)


def test_sixteen_bits_of_pgm(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.pgm"), DEEP[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "a.pgm", grey="keep"), ROUNDED[..., 0])


@pytest.mark.parametrize("grey", [False, True])
def test_jpeg_is_what_opencv_decodes(tmp_path: Path, grey: bool) -> None:
    image = SMOOTH[..., 0] if grey else SMOOTH
    cv2.imwrite(str(tmp_path / "a.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    read = read_image(tmp_path / "a.jpg", grey="keep")
    flag = cv2.IMREAD_GRAYSCALE if grey else cv2.IMREAD_COLOR_RGB
    expected = cv2.imread(str(tmp_path / "a.jpg"), flag)
    assert read.shape == expected.shape
    assert np.abs(read.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpegs_are_turned_as_opencv_turns_them(tmp_path: Path, orientation: int) -> None:
    encoded = cv2.imencode(".jpg", SMOOTH)[1].tobytes()
    note = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">HHHIHxxI", 1, 0x112, 3, 1, orientation, 0)
    marker = b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note
    (tmp_path / "a.jpg").write_bytes(encoded[:2] + marker + encoded[2:])
    read = read_image(tmp_path / "a.jpg")
    expected = cv2.imread(str(tmp_path / "a.jpg"), cv2.IMREAD_COLOR_RGB)
    assert read.shape == ((96, 64, 3) if orientation > 4 else (64, 96, 3))
    assert np.abs(read.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    "note", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0"]
)
def test_a_broken_note_does_not_spoil_the_photograph(tmp_path: Path, note: bytes) -> None:
    encoded = cv2.imencode(".jpg", SMOOTH)[1].tobytes()
    marker = b"\xff\xe1" + struct.pack(">H", len(note) + 2) + note
    (tmp_path / "a.jpg").write_bytes(encoded[:2] + marker + encoded[2:])
    assert read_image(tmp_path / "a.jpg").shape == (64, 96, 3)


def test_a_resolution_that_is_a_text_does_not_spoil_the_photograph(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.tif", dpi=(300, 300))
    assert decode(tmp_path / "a.tif").dots == 300
    whole = (tmp_path / "a.tif").read_bytes()
    for tag in (282, 283):
        number, text = (struct.pack("<HHI", tag, kind, 1) for kind in (5, 2))
        assert whole.count(number) == 1
        whole = whole.replace(number, text)
    (tmp_path / "a.tif").write_bytes(whole)
    found = decode(tmp_path / "a.tif")
    assert found.dots is None
    np.testing.assert_array_equal(found.colours, COLOUR)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_the_product_of_ink_and_black(tmp_path: Path, suffix: str) -> None:
    inks = RNG.integers(0, 256, (4, 6, 4), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        tifffile.imwrite(path, inks, photometric="separated")
    else:
        Image.fromarray(inks, "CMYK").save(path, quality=100, subsampling=0)
    expected = np.rint((255.0 - inks[..., :3]) * (255.0 - inks[..., 3:]) / 255)
    tolerance = 3 if suffix == "jpg" else 0
    assert np.abs(read_image(path) - expected).max() <= tolerance


def test_a_still_gif(tmp_path: Path) -> None:
    imageio.v3.imwrite(tmp_path / "a.gif", GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif")[..., 0], GREY)
    assert read_header(tmp_path / "a.gif").frames == 1
    assert find_images(tmp_path) == [tmp_path / "a.gif"]


# ---- tifffile ----------------------------------------------------------------------------------

UNSPECIFIED = {"extrasamples": ["unspecified"]}
"""What Photoshop stores a selection as."""

TIFFS: dict[str, tuple[Any, dict[str, Any], np.ndarray]] = {
    "rgb": (COLOUR, {}, COLOUR),
    "rgb, deflate": (COLOUR, {"compression": "zlib"}, COLOUR),
    "rgb, planes": (COLOUR.transpose(2, 0, 1), {"planarconfig": "separate"}, COLOUR),
    "rgba": (np.concatenate([COLOUR, ALPHA], 2), {"extrasamples": ["unassalpha"]}, COLOUR),
    "rgb 16": (DEEP, {}, ROUNDED),
    "rgb 16, deflate": (DEEP, {"compression": "zlib"}, ROUNDED),
    "rgb 16, big-endian": (DEEP, {"byteorder": ">"}, ROUNDED),
    "rgba 16": (np.concatenate([DEEP, DEEP_ALPHA], 2), {"extrasamples": ["unassalpha"]}, ROUNDED),
    "rgb, selection": (np.concatenate([COLOUR, ALPHA], 2), UNSPECIFIED, COLOUR),
    "rgb 16, selection": (np.concatenate([DEEP, DEEP_ALPHA], 2), UNSPECIFIED, ROUNDED),
    "grey": (GREY, {}, GREY),
    "grey, white is 0": (GREY, {"photometric": "miniswhite"}, 255 - GREY),
    "grey 16": (DEEP[..., 0], {}, ROUNDED[..., 0]),
    "grey 16, big-endian": (DEEP[..., 0], {"byteorder": ">"}, ROUNDED[..., 0]),
    "grey 16, white is 0": (DEEP[..., 0], {"photometric": "miniswhite"}, 255 - ROUNDED[..., 0]),
    "bits": (GREY > 127, {}, (GREY > 127) * np.uint8(255)),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_by_tifffile(tmp_path: Path, name: str) -> None:
    stored, options, expected = TIFFS[name]
    colour = {"photometric": "rgb"} if expected.ndim == 3 else {"photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", stored, **(colour | options))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", grey="keep"), expected)
    assert (decode(tmp_path / "a.tif").alpha is not None) == name.startswith("rgba")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_planes_of_sixteen_bits_are_refused(tmp_path: Path, compression: str | None) -> None:
    planes = DEEP.transpose(2, 0, 1)
    layout = {"photometric": "rgb", "planarconfig": "separate", "compression": compression}
    tifffile.imwrite(tmp_path / "a.tif", planes, **layout)
    with pytest.raises(ImageError, match="its colours of sixteen bits lie in planes"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("stored", [COLOUR, DEEP, GREY, DEEP[..., 0]], ids=lambda x: f"{x.dtype}")
def test_tiffs_are_turned_once(tmp_path: Path, stored: np.ndarray, orientation: int) -> None:
    photometric = "rgb" if stored.ndim == 3 else "minisblack"
    note = [(274, "H", 1, orientation, True)]
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric=photometric, extratags=note)
    upright: dict[int, Callable[[np.ndarray], np.ndarray]] = {  # of the TIFF 6.0 specification
        1: lambda x: x,  # row 0 is the top, column 0 the left-hand side
        2: lambda x: x[:, ::-1],  # top, right
        3: lambda x: x[::-1, ::-1],  # bottom, right
        4: lambda x: x[::-1],  # bottom, left
        5: lambda x: x.swapaxes(0, 1),  # left, top
        6: lambda x: x.swapaxes(0, 1)[:, ::-1],  # right, top
        7: lambda x: x.swapaxes(0, 1)[::-1, ::-1],  # right, bottom
        8: lambda x: x.swapaxes(0, 1)[::-1],  # left, bottom
    }
    shallow = stored if stored.dtype == np.uint8 else np.rint(stored / 257).astype(np.uint8)
    read = read_image(tmp_path / "a.tif", grey="keep")
    np.testing.assert_array_equal(read, upright[orientation](shallow))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (GREY.astype(np.float32), "floating-point"),
        (GREY.astype(np.int32), "32 bits, or with a sign"),
        (GREY.astype(np.uint32), "32 bits, or with a sign"),
        (GREY.astype(np.int16), "32 bits, or with a sign"),
        (GREY.astype(np.float64), "not an image of a known kind"),
    ],
    ids=lambda x: getattr(x, "dtype", None) and str(x.dtype),
)
def test_numbers_without_a_known_range(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="minisblack")
    with pytest.raises(ImageError, match=reason):
        read_image(tmp_path / "a.tif")


# ---- more than one picture in a file, and headers ----------------------------------------------


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_of_several_frames_the_first_is_read(tmp_path: Path, name: str) -> None:
    frames = [Image.fromarray(np.full((6, 9, 3), value, np.uint8)) for value in (40, 120, 200)]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    assert read_header(tmp_path / name) == Header(height=6, width=9, frames=3)
    assert (read_image(tmp_path / name) == 40).all()


def test_the_previews_of_cameras_are_no_animation(tmp_path: Path) -> None:
    frames = [Image.fromarray(SMOOTH), Image.fromarray(SMOOTH[::4, ::4].copy())]
    frames[0].save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=frames[1:])
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.n_frames == 2
    assert read_header(tmp_path / "a.jpg") == Header(height=64, width=96, frames=1)
    assert read_image(tmp_path / "a.jpg").shape == (64, 96, 3)


def test_a_header_needs_no_pixels(tmp_path: Path) -> None:
    whole = cv2.imencode(".png", cv2.resize(COLOUR, (400, 300)))[1].tobytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    assert read_header(tmp_path / "a.png") == Header(300, 400, 1)
    with pytest.raises(ImageError, match="cut short"):
        read_image(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        read_header(tmp_path / "a.png")


def test_programs_in_disguise_are_not_run(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "a.eps")
    (tmp_path / "a.eps").rename(tmp_path / "a.png")
    with pytest.raises(ImageError, match="not an image"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", [b"two\nlines.png", b"\xff\xfe.png"])
def test_any_name_is_named_in_one_printable_line(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    try:
        path.write_bytes(b"no image")
    except OSError:
        pytest.skip("this file system does not take such names")
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value).isprintable()
    assert "not an image" in str(caught.value)
