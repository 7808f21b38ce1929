"""What a file says is read, and is there again when it is written."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from mtlsr.data.images import ImageError
from mtlsr.errors import UserError
from mtlsr.inference.pictures.picture import Notes, read_picture
from mtlsr.inference.pictures.writing import FORMATS, check_picture, write_picture
from tests.inference.pictures.made import KINDS, camera, ramp

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
LOSSY = 3


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff", "webp", "bmp", "jpg", "JPEG"])
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_of_every_format(tmp_path: Path, suffix: str, kind: str) -> None:
    image = np.kron(ramp(kind, 9, 6), np.ones((16, 16) + (1,) * len(KINDS[kind]), np.uint8))
    path, opaque = tmp_path / f"new/a.{suffix}", suffix.lower() in ("bmp", "jpg", "jpeg")
    if opaque and len(KINDS[kind]) and KINDS[kind][0] in (2, 4):
        with pytest.raises(UserError, match=rf"{suffix.upper()} cannot hold; format=png, tif and"):
            check_picture(path, (144, 96), transparent=True)
        image[..., -1] = 255
    check_picture(path, (144, 96), transparent=False)
    write_picture(path, (144, 96), [image[:40], image[40:]], Notes(PROFILE, camera()))
    read = read_picture(path)
    if opaque and kind in ("LA", "RGBA"):
        image = image[..., 0] if kind == "LA" else image[..., :3]
    if suffix == "webp" and kind in ("L", "LA"):  # which has no grey
        image = image[..., [0, 0, 0, 1]] if kind == "LA" else np.dstack([image] * 3)
    assert (read.pixels.dtype, read.pixels.shape) == (image.dtype, image.shape)
    assert read.size == (144, 96)
    far = np.abs(read.pixels.astype(int) - image).max()
    assert far <= (LOSSY if suffix.lower() in ("jpg", "jpeg") else 0)
    if suffix != "bmp":
        assert read.notes.profile == PROFILE
        again = read.notes.exif
        assert again[Base.Make] == "Camera"
        assert Base.Orientation not in again
        assert again.get_ifd(IFD.Exif)[Base.ExifImageWidth] == 144
        assert again.get_ifd(IFD.Exif)[Base.MakerNote] == b"secret numbers"
        assert again.get_ifd(IFD.GPSInfo)[1] == "N"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("kind", KINDS)
def test_sixteen_bits_stay_so(tmp_path: Path, suffix: str, kind: str) -> None:
    image = ramp(kind, 90, 70, 16)
    write_picture(tmp_path / f"a.{suffix}", (90, 70), [image])
    if suffix == "tif" and kind == "LA":  # which Pillow could not read as grey
        image = image[:, :, [0, 0, 0, 1]]
    np.testing.assert_array_equal(read_picture(tmp_path / f"a.{suffix}").pixels, image)


def test_sixteen_bits_become_eight_where_there_are_no_more(tmp_path: Path) -> None:
    image = ramp("RGB", 90, 70, 16)
    write_picture(tmp_path / "a.bmp", (90, 70), [image])
    np.testing.assert_array_equal(read_picture(tmp_path / "a.bmp").pixels, np.rint(image / 257))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "deep.png"])
def test_pictures_are_upright_with_their_transparency(
    tmp_path: Path, name: str, orientation: int
) -> None:
    """As OpenCV turns a JPEG of that orientation."""
    flat = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    image = np.kron(flat, np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "reference.jpg", exif=exif)
    expected = cv2.imread(str(tmp_path / "reference.jpg"), cv2.IMREAD_COLOR)[..., 0]
    if name == "deep.png":
        note = exif.tobytes()[6:]
        whole = cv2.imencode(".png", np.dstack([image] * 4).astype(np.uint16) * 257)[1].tobytes()
        chunk = b"eXIf" + note
        packed = struct.pack(">I", len(note)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        (tmp_path / name).write_bytes(whole[:33] + packed + whole[33:])
    else:
        stored = Image.fromarray(image if name == "a.jpg" else np.dstack([image] * 4))
        stored.save(tmp_path / name, exif=exif, **({"lossless": True} if "webp" in name else {}))
    read = read_picture(tmp_path / name).pixels
    read = read / 257 if name == "deep.png" else read
    for channel in range(1 if name == "a.jpg" else 4):
        seen = read if read.ndim == 2 else read[..., channel]
        assert seen.shape == expected.shape
        assert np.abs(seen.astype(int) - expected).max() <= LOSSY


def test_transparency_of_sixteen_bits_by_opencv(tmp_path: Path) -> None:
    image = ramp("RGBA", 20, 30, 16)
    for suffix in ("png", "tif"):
        cv2.imwrite(str(tmp_path / f"a.{suffix}"), image[..., [2, 1, 0, 3]])
        np.testing.assert_array_equal(read_picture(tmp_path / f"a.{suffix}").pixels, image)


def test_one_transparent_level_of_sixteen_bits(tmp_path: Path) -> None:
    image = ramp("L", 20, 30, 16)
    Image.fromarray(image).save(tmp_path / "a.png", transparency=int(image[0, 0]))
    read = read_picture(tmp_path / "a.png").pixels
    np.testing.assert_array_equal(read[..., 0], image)
    np.testing.assert_array_equal(read[..., 1], 65535 * (image != image[0, 0]))


def test_grey_and_palette_pictures(tmp_path: Path) -> None:
    Image.new("L", (4, 3), 7).save(tmp_path / "grey.png")
    Image.new("P", (4, 3)).save(tmp_path / "palette.png", transparency=0)
    assert read_picture(tmp_path / "grey.png").pixels.shape == (3, 4)
    palette = read_picture(tmp_path / "palette.png")
    assert palette.pixels.shape == (3, 4, 4)
    assert palette.transparent
    assert not read_picture(tmp_path / "grey.png").transparent


def test_words_of_other_alphabets_survive(tmp_path: Path) -> None:
    """A camera's text is bytes of an unknown alphabet, most often UTF-8."""
    exif = Image.Exif()
    exif[Base.Artist] = "Müller, 写真".encode()
    exif.get_ifd(IFD.Exif)[Base.LensModel] = "plain"
    Image.new("RGB", (4, 3)).save(tmp_path / "a.jpg", exif=exif)
    picture = read_picture(tmp_path / "a.jpg")
    for name in ("b.png", "b.tif", "b.jpg"):
        write_picture(tmp_path / name, (4, 3), [picture.pixels], picture.notes)
        found = read_picture(tmp_path / name).notes.exif
        text = found[Base.Artist]
        text = text if isinstance(text, bytes) else text.encode("latin-1")
        assert text.decode() == "Müller, 写真"
        assert found.get_ifd(IFD.Exif)[Base.LensModel] == "plain"


def test_tags_of_a_tiff_that_say_how_it_is_stored_are_not_carried_on(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        ramp("RGB", 20, 130, 16),
        photometric="rgb",
        compression="zlib",
        extratags=[(Base.Artist, "s", 0, "me", True)],
    )
    picture = read_picture(tmp_path / "a.tif")
    assert picture.notes.exif[Base.Artist] == "me"
    assert 273 not in picture.notes.exif
    write_picture(tmp_path / "b.tif", (20, 130), [picture.pixels], picture.notes)
    again = read_picture(tmp_path / "b.tif")
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert again.notes.exif[Base.Artist] == "me"


def test_exif_of_a_tiff_reaches_another_format(tmp_path: Path) -> None:
    exif = camera()
    exif[Base.Orientation] = 6
    pixels = np.zeros((3, 4, 3), np.uint8)
    write_picture(tmp_path / "a.tif", (4, 3), [pixels], Notes(exif=exif))
    picture = read_picture(tmp_path / "a.tif")
    assert picture.size == (3, 4)
    assert Base.Orientation not in picture.notes.exif
    write_picture(tmp_path / "b.jpg", (3, 4), [picture.pixels], picture.notes)
    found = read_picture(tmp_path / "b.jpg").notes.exif
    assert found[Base.Make] == "Camera"
    assert found.get_ifd(IFD.Exif)[Base.ExposureTime] == pytest.approx(0.008)


def test_without_notes_there_are_none(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif", "a.jpg", "a.webp"):
        write_picture(tmp_path / name, (4, 3), [np.zeros((3, 4, 3), np.uint8)])
        notes = read_picture(tmp_path / name).notes
        assert notes.profile is None
        assert notes.exif_of(4, 3) is None or name == "a.tif"


def test_notes_that_a_jpeg_cannot_hold_do_not_keep_it_from_being_written(tmp_path: Path) -> None:
    for bytes_of_notes, kept in ((65_000, True), (70_000, False)):
        exif = camera()
        exif.get_ifd(IFD.Exif)[Base.UserComment] = bytes(bytes_of_notes)
        picture = np.zeros((3, 4, 3), np.uint8)
        write_picture(tmp_path / "a.jpg", (4, 3), [picture], Notes(PROFILE, exif))
        read = read_picture(tmp_path / "a.jpg")
        assert read.notes.profile == PROFILE
        assert (Base.Make in read.notes.exif) == kept


def test_a_note_that_cannot_be_written_does_not_spoil_the_others(tmp_path: Path) -> None:
    exif = camera()
    exif[Base.XResolution] = 72.0
    Image.new("RGB", (4, 3)).save(tmp_path / "a.jpg", exif=exif)
    whole = (tmp_path / "a.jpg").read_bytes()
    number, text = (struct.pack(">HHI", Base.XResolution, kind, 1) for kind in (5, 2))
    assert whole.count(number) == 1
    (tmp_path / "a.jpg").write_bytes(whole.replace(number, text))
    found = read_picture(tmp_path / "a.jpg").notes.exif
    assert found[Base.Make] == "Camera"
    assert Base.XResolution not in found
    assert found.get_ifd(IFD.Exif)[Base.MakerNote] == b"secret numbers"
    assert found.get_ifd(IFD.GPSInfo)[1] == "N"


def test_a_profile_of_grey_is_not_written_with_colours(tmp_path: Path) -> None:
    grey = PROFILE[:16] + b"GRAY" + PROFILE[20:]
    for name in ("a.png", "a.jpg", "a.tif", "a.webp"):
        write_picture(tmp_path / name, (4, 3), [np.zeros((3, 4), np.uint8)], Notes(grey))
        assert read_picture(tmp_path / name).notes.profile == (None if "webp" in name else grey)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.webp"])
def test_large_profiles_can_be_read_again(tmp_path: Path, name: str) -> None:
    large = PROFILE + np.random.default_rng(0).bytes(3_000_000)
    write_picture(tmp_path / name, (4, 3), [np.zeros((3, 4, 3), np.uint8)], Notes(large))
    assert read_picture(tmp_path / name).notes.profile == large


@pytest.mark.parametrize("before", ["png", "jpg", "tif", "bmp"])
def test_resolution_is_kept(tmp_path: Path, before: str) -> None:
    Image.new("RGB", (4, 3)).save(tmp_path / f"a.{before}", dpi=(300, 300))
    picture = read_picture(tmp_path / f"a.{before}")
    for after in ("png", "jpg", "tif", "bmp"):
        write_picture(tmp_path / f"b.{after}", (4, 3), [picture.pixels], picture.notes)
        with Image.open(tmp_path / f"b.{after}") as image:
            assert [round(float(dots)) for dots in image.info["dpi"]] == [300, 300]
    Image.new("RGB", (4, 3)).save(tmp_path / f"a.{before}", dpi=(204, 98))
    assert read_picture(tmp_path / f"a.{before}").notes.dots is None


def test_gamma_goes_from_png_to_png(tmp_path: Path) -> None:
    picture = np.zeros((3, 4, 3), np.uint8)
    write_picture(tmp_path / "a.png", (4, 3), [picture], Notes(gamma=1.0))
    notes = read_picture(tmp_path / "a.png").notes
    assert (notes.gamma, notes.dots) == (1.0, None)
    write_picture(tmp_path / "b.png", (4, 3), [picture], notes)
    with Image.open(tmp_path / "b.png") as image:
        assert image.info["gamma"] == 1.0


@pytest.mark.parametrize("format", FORMATS)
def test_pictures_that_a_format_cannot_hold(format: str, tmp_path: Path) -> None:
    longest = FORMATS[format].longest
    if format in ("jpg", "webp"):
        with pytest.raises(UserError, match=rf"holds at most {longest} on a side; format=png"):
            check_picture(tmp_path / f"a.{format}", (longest + 1, 4), False)
    check_picture(tmp_path / f"a.{format}", (4, longest), False)
    if format in ("jpg", "webp"):  # the limit is the library's own
        write_picture(tmp_path / f"a.{format}", (1, longest), [np.zeros((longest, 1), np.uint8)])
        with pytest.raises((OSError, ValueError)):
            write_picture(tmp_path / f"b.{format}", (1, 65536), [np.zeros((65536, 1), np.uint8)])


def test_damaged_files_and_several_pictures_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="this is not an image"):
        read_picture(tmp_path / "a.png")
    frames = [Image.new("RGB", (4, 3), (value, 0, 0)) for value in (0, 9, 99)]
    frames[0].save(tmp_path / "b.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="it holds 3 pictures, and one alone can be enlarged"):
        read_picture(tmp_path / "b.gif")


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_failed_write_leaves_the_older_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"older")

    def bands() -> Iterator[np.ndarray]:
        yield np.zeros((80, 4, 3), np.uint8)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_picture(path, (4, 160), bands())
    assert path.read_bytes() == b"older"
    assert os.listdir(tmp_path) == [name]
