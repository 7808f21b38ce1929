from io import BytesIO

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from mtlsr.data import bundled
from mtlsr.data.augment import KERNELS, dihedral, functional, jpeg, resize, webp
from mtlsr.data.images import read_image

IMAGE = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
ELEMENTS = range(8)
D4_NAMES = ("e", "h", "v", "r180", "t", "r270", "r90", "hvt")


@pytest.mark.parametrize("element", ELEMENTS)
def test_agrees_with_the_librarys_own_element(element: int) -> None:
    expected = functional()[0].d4(IMAGE, D4_NAMES[element])
    np.testing.assert_array_equal(dihedral(IMAGE, element), expected)


def test_eight_different_images_of_the_same_pixels() -> None:
    images = [dihedral(IMAGE, element) for element in ELEMENTS]
    assert len({(image.shape, image.tobytes()) for image in images}) == 8
    for element, image in enumerate(images):
        assert image.flags.c_contiguous
        assert image.shape == ((9, 6, 3) if element & 4 else (6, 9, 3))
        assert (np.sort(image, axis=None) == np.sort(IMAGE, axis=None)).all()


def test_the_elements_form_a_group() -> None:
    table = {dihedral(IMAGE, element).tobytes(): element for element in ELEMENTS}
    products = [
        [table[dihedral(dihedral(IMAGE, a), b).tobytes()] for b in ELEMENTS] for a in ELEMENTS
    ]
    for line in (*products, *zip(*products, strict=True)):
        assert sorted(line) == list(ELEMENTS)  # closed, and every element has its inverse
    assert any(products[a][b] != products[b][a] for a in ELEMENTS for b in ELEMENTS)


def test_grey_and_read_only_views_work_and_stay_unchanged() -> None:
    grey = IMAGE[..., 0]
    grey.flags.writeable = False
    for element in ELEMENTS:
        expected = dihedral(IMAGE, element)[..., 0]
        np.testing.assert_array_equal(dihedral(grey, element), expected)


@pytest.mark.parametrize("element", [-1, 8])
def test_unknown_element(element: int) -> None:
    with pytest.raises(ValueError, match=f"element is {element}"):
        dihedral(IMAGE, element)


def test_jpeg_is_opencvs_and_keeps_red_red() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    encoded = cv2.imencode(".jpg", image[:, :, ::-1].copy(), (cv2.IMWRITE_JPEG_QUALITY, 50))[1]
    expected = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(jpeg(image, 50), expected)
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(jpeg(red, 95).astype(int) - red).max() <= 3


@pytest.mark.parametrize(("codec", "name"), [(jpeg, "JPEG"), (webp, "WEBP")])
@pytest.mark.parametrize("quality", [30, 80])
def test_codecs_are_the_ones_that_pillow_has(codec, name: str, quality: int) -> None:
    """Other builds of the same libraries: equal but for the rounding of colours."""
    image = read_image(bundled.TEST[0].path)[:96, :128]
    file = BytesIO()
    Image.fromarray(image).save(file, name, quality=quality)
    theirs = np.asarray(Image.open(file).convert("RGB")).astype(int)
    ours = codec(image, quality).astype(int)
    assert np.abs(ours - theirs).mean() < 0.25 * np.abs(ours - image).mean()
    assert ours.shape == image.shape


@pytest.mark.parametrize("codec", [jpeg, webp])
def test_worse_quality_is_worse(codec) -> None:
    image = read_image(bundled.TEST[0].path)[:96, :128]
    errors = [np.abs(codec(image, q).astype(int) - image).mean() for q in (95, 70, 40, 10)]
    assert errors == sorted(errors)
    assert errors[0] > 0


@pytest.mark.parametrize("size", [(12, 21), (35, 50), (40, 17)])
@pytest.mark.parametrize(("kernel", "theirs"), [("bilinear", "bilinear"), ("bicubic", "bicubic")])
def test_resizing_is_that_of_torch(kernel: str, theirs: str, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((24, 30, 3), np.float32)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = interpolate(tensor, size, mode=theirs, align_corners=False)[0].permute(1, 2, 0)
    np.testing.assert_allclose(resize(image, size, kernel), expected.numpy(), atol=2e-3)


def test_area_is_the_mean_over_what_a_pixel_covers() -> None:
    image = np.random.default_rng(0).random((24, 30, 3), np.float32)
    expected = image.reshape(8, 3, 15, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resize(image, (8, 15), "area"), expected, atol=1e-5)
    uneven = resize(image, (9, 11), "area")
    np.testing.assert_allclose(uneven.mean(axis=(0, 1)), image.mean(axis=(0, 1)), atol=1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_resizing_keeps_types_axes_and_flat_images(kernel: str) -> None:
    for shape in ((6, 9), (6, 9, 3), (6, 9, 1)):
        for kind in (np.uint8, np.float32, np.float64):
            found = resize(np.full(shape, 77, kind), (4, 12), kernel)
            assert found.dtype == kind
            assert found.shape == (4, 12, *shape[2:])
            np.testing.assert_allclose(found, 77, atol=1e-4)


def test_impossible_resizing() -> None:
    with pytest.raises(ValueError, match="kernel is 'lanczos': one of area, bilinear, bicubic"):
        resize(IMAGE, (3, 3), "lanczos")
    with pytest.raises(ValueError, match="Cannot resize to 0x3"):
        resize(IMAGE, (0, 3), "area")


@pytest.mark.parametrize("codec", [jpeg, webp])
@pytest.mark.parametrize("quality", [0, 101])
def test_unknown_quality(codec, quality: int) -> None:
    with pytest.raises(ValueError, match=f"quality is {quality}"):
        codec(IMAGE, quality)
