import cv2
import numpy as np
import pytest

from mtlsr.data.augment import dihedral, functional, jpeg

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


@pytest.mark.parametrize("quality", [0, 101])
def test_unknown_quality(quality: int) -> None:
    with pytest.raises(ValueError, match=f"quality is {quality}"):
        jpeg(IMAGE, quality)
