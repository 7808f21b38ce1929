"""Bicubic on one's own benchmarks: right copies pass, and of wrong ones the file is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtlsr.data.images import find_images, read_image, write_image
from mtlsr.errors import UserError
from mtlsr.metrics.__main__ import main
from mtlsr.metrics.verdicts import known_pixels, pixel_hash, verdicts


@pytest.fixture
def copy(shared: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A benchmark's own copy, to be spoilt."""

    def make(name: str) -> Path:
        return Path(shutil.copytree(shared / "data/benchmark" / name, tmp_path / "mine" / name))

    return make


def test_right_copies_pass_a_line_each(
    copy: Callable, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    copy("Set5")
    assert main(["verify", str(tmp_path / "mine")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:11] for line in lines[:3]] == ["ok    Set5 " for _ in range(3)]
    assert "x4: PSNR 28.43 dB (published 28.42, +0.010), SSIM 0.8111 (" in lines[2]
    assert lines[2].endswith("5 images, 5 of 5 LR files equal ours bit for bit")
    missing = [
        f"none  {name}: not in {tmp_path / 'mine'}, not checked" for name in ("Set14", "B100")
    ]
    assert lines[3:5] == missing
    assert lines[5] == "3 of 3 within 0.03 dB and 0.001 SSIM of the literature."


def test_the_published_photographs_are_known_by_their_pixels(shared: Path) -> None:
    for name, known in known_pixels().items():
        folder = {"set5": "Set5", "set14": "Set14", "b100": "B100"}[name]
        stored = [
            read_image(path, grey="keep")
            for path in find_images(shared / "data/benchmark" / folder / "HR")
        ]
        assert {pixel_hash(image): image.ndim == 2 for image in stored} == known


def test_low_resolution_of_another_kernel_is_named(copy: Callable) -> None:
    home = copy("Set5")
    for path in find_images(home / "LR_x4"):
        hr = read_image(home / "HR" / path.name)
        size = (hr.shape[1] // 4, hr.shape[0] // 4)
        write_image(path, cv2.resize(hr, size, interpolation=cv2.INTER_CUBIC))
    two, three, four = verdicts(home.parent)
    assert two.passed and three.passed and not four.passed
    assert four.low == "0 of 5 LR files equal ours bit for bit"
    assert len(four.reasons) == 5
    first = f"{home / 'LR_x4' / 'img_001.png'}: It is not the bicubic of img_001.png: the residual"
    assert four.reasons[0].startswith(first)


def test_a_photograph_that_was_compressed_is_named(copy: Callable) -> None:
    home = copy("Set5")
    for folder in home.glob("LR_*"):
        shutil.rmtree(folder)
    path = find_images(home / "HR")[2]
    image = read_image(path)
    write_image(path.with_suffix(".jpg"), cv2.GaussianBlur(image, (0, 0), 1))
    path.unlink()
    for verdict in verdicts(home.parent):
        assert not verdict.passed
        assert verdict.low == "LR made here"
        (reason,) = verdict.reasons
        assert reason.startswith(f"{path.with_suffix('.jpg')}: its pixels are not those")


def test_a_grey_photograph_that_is_stored_as_rgb_is_named(copy: Callable) -> None:
    """The commonest reason for a Set14 that is 0.09 dB too good."""
    home = copy("Set14")
    (grey,) = (p for p in find_images(home / "HR") if read_image(p, grey="keep").ndim == 2)
    write_image(grey, read_image(grey))
    for verdict in verdicts(home.parent):
        assert not verdict.passed
        assert verdict.measured["psnr_y"] - verdict.expected["psnr_y"] == pytest.approx(
            0.09, abs=0.02
        )
        (reason,) = verdict.reasons
        assert reason.startswith(f"{grey}: it stores a grey photograph as RGB")


def test_missing_unreadable_and_unfit_files_are_named(copy: Callable) -> None:
    home = copy("Set5")
    files = find_images(home / "HR")
    files[0].write_bytes(b"no image")
    lr = home / "LR_x2" / files[1].name
    write_image(lr, read_image(lr)[1:])
    for folder in home.iterdir():
        (folder / files[2].name).unlink()
    two, three, _ = verdicts(home.parent)
    assert (two.images, three.images) == (2, 3)
    assert not two.passed and not three.passed
    said = "\n".join(two.reasons)
    assert f"{files[0]}: this is not an image of a known kind" in said
    assert f"{lr}: it has" in said
    assert "there are 4 images; Set5 has 5" in said
    assert str(lr) not in "\n".join(three.reasons)


def test_low_resolution_alone_is_named(copy: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    home = copy("Set5")
    lost = find_images(home / "HR")[2]
    lost.unlink()
    assert main(["verify", str(home.parent)]) == 1
    assert f"{home / 'LR_x2' / lost.name} has no high-resolution file" in capsys.readouterr().err


def test_other_photographs_fail_with_exit_code_one(
    tmp_path: Path, random_pair: Callable, command: Callable
) -> None:
    """Without any benchmark at hand, too."""
    (tmp_path / "BSD100").mkdir()
    for name in "ab":
        write_image(tmp_path / "BSD100" / f"{name}.png", random_pair((40, 50, 3), ord(name))[1])
    found = command("metrics", tmp_path, "verify", str(tmp_path))
    assert found.returncode == 1, found.stderr
    lines = found.stdout.splitlines()
    assert sum(line.startswith("FAIL  B100 x") for line in lines) == 3
    assert "      there are 2 images; B100 has 100" in lines
    assert f"      {tmp_path / 'BSD100' / 'a.png'}: its pixels are not those" in found.stdout
    assert lines[-1].startswith("0 of 3 within")


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "does not exist"), ("empty", "holds no folder Set5, Set14 or B100")],
)
def test_a_folder_without_benchmarks_is_refused(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=message):
        list(verdicts(tmp_path / name))
    assert main(["verify", str(tmp_path / name)]) == 1
    assert message in capsys.readouterr().err


def test_what_is_not_as_it_was_is_seen_in_the_hash() -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    assert pixel_hash(grey) == pixel_hash(np.dstack([grey] * 3))
    others = [image.reshape(2, 8, 3), image + 1, image[..., ::-1], image[::-1]]
    assert len({pixel_hash(each) for each in (image, *others)}) == 5
