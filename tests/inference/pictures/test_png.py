import io
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from mtlsr.inference.pictures.picture import Notes
from mtlsr.inference.pictures.png import write_png
from tests.inference.pictures.made import KINDS, camera, cut, ramp

NONE = Notes()


def written(image: np.ndarray, *rows: int, notes: Notes = NONE) -> bytes:
    file = io.BytesIO()
    write_png(file, (image.shape[1], image.shape[0]), cut(image, *rows), notes)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (9, 1), (300, 150)])
def test_another_reader_reads_what_was_written(kind: str, width: int, height: int) -> None:
    image = ramp(kind, width, height)
    for rows in [(), (height // 3, height // 2)] if height > 5 else [()]:
        with Image.open(io.BytesIO(written(image, *rows))) as read:
            assert (read.format, read.mode, read.size) == ("PNG", kind, (width, height))
            np.testing.assert_array_equal(np.asarray(read), image)
            assert not read.info.keys() & {"icc_profile", "exif"}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (300, 150)])
def test_sixteen_bits_by_opencv(kind: str, width: int, height: int) -> None:
    image = ramp(kind, width, height, 16)
    encoded = np.frombuffer(written(image, *[60] * (height > 60)), np.uint8)
    read = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    assert read.dtype == np.uint16
    expected = image
    if kind == "LA":  # which OpenCV makes four of
        expected = image[:, :, [0, 0, 0, 1]]
    elif kind != "L":
        expected = image[:, :, [2, 1, 0, 3][: image.shape[2]]]
    np.testing.assert_array_equal(read, expected)


def test_chunks_are_whole() -> None:
    image = Image.open(io.BytesIO(written(ramp("RGB", 300, 150), 70)))
    image.verify()  # every checksum


def test_colour_profile_and_exif_are_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = written(ramp("RGB", 20, 10), notes=Notes(profile, camera()))
    Image.open(io.BytesIO(file)).verify()
    with Image.open(io.BytesIO(file)) as read:
        assert read.info["icc_profile"] == profile
        exif = read.getexif()
        assert exif[0x010F] == "Camera"
        assert exif.get_ifd(0x8769)[0xA002] == 20
        assert exif.get_ifd(0x8769)[0xA003] == 10


def test_a_photograph_takes_little_more_than_by_pillow() -> None:
    smooth = Image.fromarray(ramp("L", 64, 64)).resize((512, 512), Image.Resampling.BICUBIC)
    theirs = io.BytesIO()
    smooth.save(theirs, "PNG")
    assert len(written(np.asarray(smooth))) < 1.1 * len(theirs.getvalue())


def test_bands_are_asked_for_one_after_the_other() -> None:
    image, file = ramp("RGB", 200, 192), io.BytesIO()
    sizes: list[int] = []

    def bands() -> Iterator[np.ndarray]:
        for band in cut(image, 64, 128):
            sizes.append(len(file.getvalue()))
            yield band

    write_png(file, (200, 192), bands(), NONE)
    assert sizes[0] == 8
    assert sizes == sorted(set(sizes))
