import io
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image, ImageCms

from mtlsr.inference.png import write_png


def picture(mode: str, width: int, height: int) -> Image.Image:
    """A ramp with noise: every choice of the filter occurs, and every overflow."""
    rng = np.random.default_rng(0)
    channels = len(Image.new(mode, (1, 1)).getbands())
    ramp = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, channels))
    pixels = (ramp + rng.normal(0, 20, ramp.shape)).clip(0, 255).astype(np.uint8)
    pixels[height // 2 :] = rng.integers(0, 256, pixels[height // 2 :].shape)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels, mode)


def cut(image: Image.Image, *rows: int) -> Iterator[Image.Image]:
    for top, bottom in pairwise((0, *rows, image.height)):
        yield image.crop((0, top, image.width, bottom))


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 9), (9, 1), (300, 150)])
def test_another_reader_reads_what_was_written(mode: str, width: int, height: int) -> None:
    image = picture(mode, width, height)
    for rows in [(), (height // 3, height // 2)] if height > 5 else [()]:
        file = io.BytesIO()
        write_png(file, image.size, cut(image, *rows))
        with Image.open(io.BytesIO(file.getvalue())) as read:
            assert (read.format, read.mode, read.size) == ("PNG", mode, image.size)
            np.testing.assert_array_equal(np.asarray(read), np.asarray(image))
            assert "icc_profile" not in read.info


def test_chunks_are_whole() -> None:
    file = io.BytesIO()
    write_png(file, (300, 150), cut(picture("RGB", 300, 150), 70))
    Image.open(io.BytesIO(file.getvalue())).verify()  # every checksum


def test_colour_profile_is_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = picture("RGB", 20, 10)
    image.info["icc_profile"] = profile
    file = io.BytesIO()
    write_png(file, image.size, [image])
    assert Image.open(io.BytesIO(file.getvalue())).info["icc_profile"] == profile


def test_a_photograph_takes_little_more_than_by_pillow() -> None:
    smooth = picture("L", 64, 64).resize((512, 512), Image.Resampling.BICUBIC)
    ours, theirs = io.BytesIO(), io.BytesIO()
    write_png(ours, smooth.size, [smooth])
    smooth.save(theirs, "PNG")
    assert len(ours.getvalue()) < 1.1 * len(theirs.getvalue())


def test_bands_are_asked_for_one_after_the_other() -> None:
    image, file = picture("RGB", 200, 192), io.BytesIO()
    sizes: list[int] = []

    def bands() -> Iterator[Image.Image]:
        for band in cut(image, 64, 128):
            sizes.append(len(file.getvalue()))
            yield band

    write_png(file, image.size, bands())
    assert sizes[0] == 8
    assert sizes == sorted(set(sizes))
