import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from mtlsr.data.images import ImageError, find_images, read_header, read_image, write_image
from mtlsr.errors import UserError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (6, 9, 3), dtype=np.uint16)


def test_colour_round_trip(tmp_path: Path) -> None:
    for suffix in ("png", "webp", "bmp", "tiff", "ppm", "PNG"):
        write_image(tmp_path / f"a.{suffix}", COLOUR)
        read = read_image(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(read, COLOUR)
        assert read.flags.c_contiguous
        assert read.flags.writeable


def test_grey_is_expanded_or_kept(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", grey="keep"), GREY)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.stack([GREY] * 3, axis=2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOUR).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), expected)
    assert read_image(tmp_path / "a.png").shape[:2] == ((9, 6) if orientation > 4 else (6, 9))


def test_alpha_is_dropped_not_blended(tmp_path: Path) -> None:
    alpha = np.zeros((6, 9, 1), np.uint8)
    Image.fromarray(np.concatenate([COLOUR, alpha], 2)).save(tmp_path / "rgba.png")
    Image.fromarray(np.stack([GREY, alpha[..., 0]], 2), "LA").save(tmp_path / "la.png")
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png"), COLOUR)
    np.testing.assert_array_equal(read_image(tmp_path / "la.png", grey="keep"), GREY)


def test_palette(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOUR).quantize(8)
    palette.save(tmp_path / "p.png", transparency=0)
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), palette.convert("RGB"))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_rounded(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), DEEP[:, :, ::-1])
    np.testing.assert_array_equal(read_image(path), np.rint(DEEP / 257))
    cv2.imwrite(str(path), DEEP[:, :, 0])
    np.testing.assert_array_equal(read_image(path, grey="keep"), np.rint(DEEP[:, :, 0] / 257))


def test_cmyk_is_pillows(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR).convert("CMYK")
    image.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), image.convert("RGB"))


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0"))


def truncated() -> bytes:
    image = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    whole = cv2.imencode(".png", image)[1].tobytes()
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (truncated(), "damaged or cut short"),
        (truncated()[:40], "damaged or cut short|not an image"),
        (b"just some text\n", "not an image"),
        (b"", "empty"),
        (png_header(60000, 60000), "more pixels than 536,870,912, the most that is safe"),
    ],
    ids=["truncated", "header only", "text", "empty", "bomb"],
)
def test_broken_files_give_one_clear_sentence(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=reason) as caught:
        read_image(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.path == path


def test_the_largest_sensors_are_not_taken_for_a_trap(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png_header(16320, 12240))
    header = read_header(tmp_path / "a.png")
    assert (header.width, header.height) == (16320, 12240)


def test_missing_file_folder_and_floats(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="does not exist"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="folder"):
        read_image(tmp_path)
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ImageError, match="floating-point"):
        read_image(tmp_path / "f.tif")


def test_unknown_grey_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="grey is 'gray'"):
        read_image(tmp_path / "a.png", grey="gray")  # type: ignore[arg-type]


def test_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "a.png", COLOUR)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_image(tmp_path / "a.png", 255 - COLOUR)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), COLOUR)


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("a.gif", COLOUR, "suffix '.gif'"),
        ("a", COLOUR, "suffix ''"),
        ("none/a.png", COLOUR, "folder does not exist"),
        ("a.png", COLOUR / 255, "float64"),
        ("a.png", COLOUR[..., :2], "shape"),
        ("a.png", GREY[0], "shape"),
    ],
)
def test_write_refuses(tmp_path: Path, name: str, image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_image(tmp_path / name, image)
    assert not list(tmp_path.iterdir())


def test_find_is_recursive_natural_and_blind_to_case(tmp_path: Path) -> None:
    names = ["2.png", "10.PNG", "a/1.jpg", "a/b/3.WebP", "é.tif"]
    for name in [*names, "notes.txt", ".hidden.png", ".cache/4.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert [str(path.relative_to(tmp_path)) for path in find_images(tmp_path)] == names


def test_find_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no image"):
        find_images(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        find_images(tmp_path / "none")
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match="is a file"):
        find_images(tmp_path / "a.png")


def test_find_passes_over_no_folder_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.png").touch()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "shut")
    with pytest.raises(UserError, match=r"shut may not be read\.$"):
        find_images(tmp_path)
