from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.data.images import ImageError
from mtlsr.errors import UserError
from mtlsr.inference.files import plan, read_picture, write_picture


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(path)
    return folder


def test_plan_keeps_folders_and_stems(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "2.png", "10.jpg", "sub/a.b.webp", ".hidden/x.png")
    (source / "notes.txt").write_text("no image")
    output = tmp_path / "out"
    found = plan(source, output)
    assert found.targets == {
        source / "2.png": output / "2.png",
        source / "10.jpg": output / "10.png",
        source / "sub/a.b.webp": output / "sub/a.b.png",
    }
    assert found.refused == []
    assert not output.exists()
    assert plan(source / "10.jpg", output).targets == {source / "10.jpg": output / "10.png"}


def test_plan_never_writes_two_images_to_one_file(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "a.png", "b.png")
    found = plan(source, tmp_path / "out")
    assert [path.name for path in found.targets] == ["a.jpg", "b.png"]
    assert len(found.refused) == 1
    assert "a.png is already taken by a.jpg." in found.refused[0]


def test_plan_passes_over_an_earlier_output(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "out/a.png")
    assert list(plan(source, source / "out").targets) == [source / "a.jpg"]


def test_plan_refusals(tmp_path: Path) -> None:
    source = fill(tmp_path / "in", "a.jpg", "b.png")
    (tmp_path / "empty").mkdir()
    for asked, output, message in (
        (tmp_path / "nope", tmp_path / "out", "input is .*nope', which does not exist"),
        (tmp_path / "empty", tmp_path / "out", "holds no image"),
        (source, source, "which is input; another folder is needed"),
        (source, source / "b.png", "which is a file; a folder is needed"),
        (source / "b.png", source, "where the original itself would be lost"),
    ):
        with pytest.raises(ValueError, match=message):
            plan(asked, output)
    with pytest.raises(UserError):
        plan(tmp_path / "nope", tmp_path / "out")
    assert list(plan(source / "a.jpg", source).targets.values()) == [source / "a.png"]


def test_pictures_are_read_upright_with_transparency_and_profile(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 4), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    path = tmp_path / "turned.png"
    Image.fromarray(pixels).save(path, exif=exif, icc_profile=b"profile")
    picture = read_picture(path)
    assert (picture.mode, picture.size) == ("RGBA", (3, 5))
    np.testing.assert_array_equal(np.asarray(picture), np.rot90(pixels, -1))
    assert picture.info["icc_profile"] == b"profile"

    write_picture(tmp_path / "new" / "again.png", picture.size, [picture])
    again = read_picture(tmp_path / "new" / "again.png")
    np.testing.assert_array_equal(np.asarray(again), np.asarray(picture))
    assert again.info["icc_profile"] == b"profile"


def test_grey_and_palette_pictures(tmp_path: Path) -> None:
    Image.new("L", (4, 3), 7).save(tmp_path / "grey.png")
    Image.fromarray(np.full((3, 4), 65535, np.uint16)).save(tmp_path / "deep.png")
    palette = Image.new("P", (4, 3))
    palette.save(tmp_path / "palette.png", transparency=0)
    assert read_picture(tmp_path / "grey.png").mode == "L"
    assert read_picture(tmp_path / "deep.png").getextrema() == (255, 255)
    assert read_picture(tmp_path / "palette.png").mode == "RGBA"


def test_damaged_files_say_so(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match="this is not an image"):
        read_picture(tmp_path / "a.png")


def test_failed_write_leaves_the_older_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"older")

    def bands() -> Iterator[Image.Image]:
        yield Image.new("RGB", (4, 3))
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_picture(path, (4, 6), bands())
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]
