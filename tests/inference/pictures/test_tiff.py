import io
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from PIL import Image

from mtlsr.inference.pictures import tiff
from mtlsr.inference.pictures.picture import Notes
from mtlsr.inference.pictures.tiff import write_tiff
from tests.inference.pictures.made import KINDS, camera, cut, ramp

NONE = Notes()


def written(image: np.ndarray, *rows: int, notes: Notes = NONE) -> io.BytesIO:
    file = io.BytesIO()
    write_tiff(file, (image.shape[1], image.shape[0]), cut(image, *rows), notes)
    file.seek(0)
    return file


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (7, 130), (300, 150)])
def test_another_reader_reads_what_was_written(
    kind: str, width: int, height: int, depth: int, big: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if big:
        monkeypatch.setattr(tiff, "CLASSIC", 0)
    image = ramp(kind, width, height, depth)
    coloured = image
    if kind == "LA" and depth == 16:  # which Pillow could not read
        kind, coloured = "RGBA", image[:, :, [0, 0, 0, 1]]
    for rows in [(), (height // 3, height - 2)] if height > 5 else [()]:
        with tifffile.TiffFile(written(image, *rows)) as read:
            assert read.is_bigtiff == big
            (page,) = read.pages
            assert page.photometric.name == ("RGB" if "RGB" in kind else "MINISBLACK")
            assert [sample.name for sample in page.extrasamples] == ["UNASSALPHA"] * (
                kind in ("LA", "RGBA")
            )
            assert len(page.dataoffsets) == -(-height // tiff.ROWS)
            np.testing.assert_array_equal(page.asarray(), coloured)


@pytest.mark.parametrize("kind", KINDS)
def test_pillow_reads_eight_bits(kind: str) -> None:
    image = ramp(kind, 90, 150)
    with Image.open(written(image)) as read:
        assert read.mode == kind
        np.testing.assert_array_equal(np.asarray(read), image)


@pytest.mark.parametrize("big", [False, True])
def test_colour_profile_and_exif_are_kept(big: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if big:
        monkeypatch.setattr(tiff, "CLASSIC", 0)
    with Image.open(written(ramp("RGB", 20, 100), notes=Notes(b"a profile", camera()))) as read:
        assert read.info["icc_profile"] == b"a profile"
        exif = read.getexif()
        assert exif[0x010F] == "Camera"
        assert exif.get_ifd(0x8769)[0xA002] == 20
        assert exif.get_ifd(0x8825)[1] == "N"


def test_bands_are_asked_for_one_after_the_other() -> None:
    image, file = ramp("RGB", 200, 192), io.BytesIO()
    sizes: list[int] = []

    def bands() -> Iterator[np.ndarray]:
        for band in cut(image, 64, 128):
            sizes.append(len(file.getvalue()))
            yield band

    write_tiff(file, (200, 192), bands(), NONE)
    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))
