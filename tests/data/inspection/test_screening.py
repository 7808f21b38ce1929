import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.data.datasets import Dataset, Part
from mtlsr.data.images import find_images, write_image
from mtlsr.data.inspection.screening import SHOWN, Decoded, UnusableError, only, screen
from mtlsr.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good photographs among an animation, a document, a thumbnail and a text."""
    rng = np.random.default_rng(0)
    for name, side in (("a.png", 32), ("f.bmp", 33), ("d.png", 31)):
        write_image(tmp_path / name, rng.integers(0, 256, (side, 40, 3), dtype=np.uint8))
    frames = [Image.fromarray(np.full((40, 40, 3), v, np.uint8)) for v in (9, 99)]
    for name in ("b.gif", "c.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    (tmp_path / "e.png").write_text("no image")
    return tmp_path


def test_skipping_keeps_the_good_ones_in_order_and_names_the_others(folder: Path) -> None:
    files = find_images(folder)
    kept, errors = screen(files, least=32, unusable="skip")
    assert [path.name for path in kept] == ["a.png", "f.bmp"]
    assert [(error.path.name, error.reason) for error in errors] == [
        ("b.gif", "it has 2 frames or pages and is no photograph"),
        ("c.tif", "it has 2 frames or pages and is no photograph"),
        ("d.png", "it has 31x40 pixels, and at least 32x32 are needed"),
        ("e.png", "this is not an image of a known kind"),
    ]


def test_refusing_counts_and_names_them(folder: Path) -> None:
    with pytest.raises(UnusableError, match=r"^4 of 6 images cannot be used: .*b\.gif: ") as caught:
        screen(find_images(folder), least=32, unusable="refuse")
    assert len(caught.value.errors) == 4
    assert str(caught.value).endswith("dataset.unusable=skip leaves them out.")
    kept, errors = screen([folder / "a.png", folder / "f.bmp"], least=32, unusable="refuse")
    assert len(kept) == 2
    assert not errors


def test_many_are_counted_and_a_few_are_named(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.png" for i in range(SHOWN + 7)]
    with pytest.raises(UserError, match=r"12 of 12 images .* and 7 more") as caught:
        screen(files, least=1, unusable="refuse")
    assert str(caught.value).count("does not exist") == SHOWN


def test_nothing_left_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match="None of 6 images can be used"):
        screen(find_images(folder), least=1000, unusable="skip")


def test_a_changed_file_is_looked_at_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, np.zeros((8, 8, 3), np.uint8))
    assert screen([path], 8, "skip") == ([path], [])
    write_image(path, np.zeros((7, 8, 3), np.uint8))
    os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match="7x8 pixels"):
        screen([path], 8, "skip")


def test_a_turned_photograph_is_as_small_as_before(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((8, 20, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    assert screen([tmp_path / "a.jpg"], 8, "refuse")[0]
    with pytest.raises(UserError):
        screen([tmp_path / "a.jpg"], 9, "refuse")


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unusable is 'ignore'"):
        screen([], 8, "ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="least is 0"):
        screen([], 0, "skip")


@pytest.fixture
def damaged(tmp_path: Path) -> list[Path]:
    """A good photograph, and one that was cut short behind its header."""
    image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for name in ("good.png", "short.png"):
        write_image(tmp_path / name, image)
    whole = (tmp_path / "short.png").read_bytes()
    (tmp_path / "short.png").write_bytes(whole[: len(whole) // 2])
    return [tmp_path / "good.png", tmp_path / "short.png"]


def test_damage_inside_is_found_by_decoding_once(
    damaged: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert screen(damaged, 40, "refuse") == (damaged, [])  # headers do not tell
    record = tmp_path / "cache" / "decoded.json"
    kept, (error,) = screen(damaged, 40, "skip", Decoded(record))
    assert kept == damaged[:1]
    assert "cut short" in error.reason
    monkeypatch.setattr(
        "mtlsr.data.inspection.screening.read_image", None
    )  # nothing is decoded again
    again, (same,) = screen(damaged, 40, "skip", Decoded(record))
    assert again == kept
    assert str(same) == str(error)
    assert [path.name for path in record.parent.iterdir()] == ["decoded.json"]


def test_a_repaired_file_is_tried_again(damaged: list[Path], tmp_path: Path) -> None:
    decoded = Decoded(tmp_path / "decoded.json")
    assert list(decoded.errors(damaged)) == damaged[1:]
    damaged[1].write_bytes(damaged[0].read_bytes())
    assert not decoded.errors(damaged)


@pytest.mark.parametrize("content", ["", "[1, 2]", '{"half": '])
def test_a_broken_record_is_made_anew(damaged: list[Path], tmp_path: Path, content: str) -> None:
    (tmp_path / "decoded.json").write_text(content)
    assert list(Decoded(tmp_path / "decoded.json").errors(damaged)) == damaged[1:]


def test_parts_keep_their_weights() -> None:
    paths = [Path(name) for name in "abcdef"]
    parts = (Part(2, 1.0), Part(1, 5.0), Part(3, 2.0))
    mixture = Dataset("mixture", paths, [Path("v")], [], "", "", parts=parts)
    left = only(mixture, {"train": [paths[i] for i in (0, 3, 5)], "val": []})
    assert left.train == [paths[0], paths[3], paths[5]]
    assert left.parts == (Part(1, 1.0), Part(2, 2.0))
    assert left.val == []
    assert only(mixture, {}) == mixture
