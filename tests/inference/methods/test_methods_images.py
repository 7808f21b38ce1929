from pathlib import Path

import numpy as np
import pytest

from mtlsr.data.images import write_image
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.errors import UserError
from mtlsr.inference.methods.images import Images


def write(path: Path, value: int = 0, size: tuple[int, int] = (8, 12), grey: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.full(size if grey else (*size, 3), value, np.uint8))


def a_set(tmp_path: Path, *stems: str, name: str = "set5") -> EvaluationSet:
    files = [tmp_path / "HR" / f"{stem}.png" for stem in stems]
    for path in files:
        write(path)
    return EvaluationSet(name, files, 2)


def enlarged(method: Images, images: EvaluationSet) -> list[int]:
    """The value of the image that is found for each pair."""
    method.prepare([images])
    return [int(method([pair])[0][0, 0, 0]) for pair in images]


def test_images_are_found_by_their_stems_and_their_beginnings(tmp_path: Path) -> None:
    images = a_set(tmp_path, "baby", "bird", "img_1", "img_1_b", "img_10")
    names = ["baby.bmp", "birdx2.png", "img_1_EDSR_x2.png", "img_1_b-ours.png", "img_10.png"]
    for value, name in enumerate(names):
        write(tmp_path / "out" / name, value)
    write(tmp_path / "out" / "butterfly.png", 99)  # of another set
    assert enlarged(Images(tmp_path / "out"), images) == [0, 1, 2, 3, 4]


def test_data_sets_have_folders_of_their_names(tmp_path: Path) -> None:
    first = a_set(tmp_path / "a", "img_001", name="set5")
    second = a_set(tmp_path / "b", "img_001", name="set14")
    write(tmp_path / "out" / "Set5" / "img_001.png", 5)
    write(tmp_path / "out" / "SET14" / "img_001.png", 14)
    method = Images(tmp_path / "out")
    method.prepare([first, second])
    assert [int(method([images[0]])[0].max()) for images in (first, second)] == [5, 14]


def test_a_grey_output_becomes_three_channels(tmp_path: Path) -> None:
    images = a_set(tmp_path, "baby")
    write(tmp_path / "out" / "baby.png", 7, grey=True)
    method = Images(tmp_path / "out")
    method.prepare([images])
    assert method([images[0]])[0].shape == (8, 12, 3)


def test_missing_images_are_named(tmp_path: Path) -> None:
    images = a_set(tmp_path, "a", "b", "c", "d", "e")
    write(tmp_path / "out" / "a.png")
    with pytest.raises(UserError, match=r"images:.*out lacks b, c, d and 1 more of set5\."):
        Images(tmp_path / "out").prepare([images])


def test_two_images_for_one_are_named(tmp_path: Path) -> None:
    for name in ("baby_a.png", "baby_b.png"):
        write(tmp_path / "out" / name)
    with pytest.raises(UserError, match=r"two images for baby of set5: .*baby_a\.png and .*baby_b"):
        Images(tmp_path / "out").prepare([a_set(tmp_path, "baby")])


def test_an_image_of_another_size_is_named(tmp_path: Path) -> None:
    images = a_set(tmp_path, "baby")
    write(tmp_path / "out" / "baby.png", size=(8, 13))
    method = Images(tmp_path / "out")
    method.prepare([images])
    with pytest.raises(UserError, match=r"baby\.png: it has 8x13 pixels, and 8x12 are needed"):
        method([images[0]])


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    images = a_set(tmp_path, "baby")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "baby.png").write_bytes(b"no image")
    method = Images(tmp_path / "out")
    method.prepare([images])
    with pytest.raises(UserError, match=r"baby\.png: this is not an image of a known kind"):
        method([images[0]])


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no image"):
        Images(tmp_path)


def test_a_pair_knows_its_set_and_scale(tmp_path: Path) -> None:
    pair = a_set(tmp_path, "baby")[0]
    assert (pair.dataset, pair.scale) == ("set5", 2)
    assert EvaluationPair("x", pair.lr, pair.hr).dataset == ""
