import hashlib
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.data.images import write_image
from mtlsr.data.inspection.decoding import inspect, irregular

RNG = np.random.default_rng(0)


def test_good_files_and_bad_ones_in_their_order(tmp_path: Path) -> None:
    files = []
    for index in range(20):
        path = tmp_path / f"{index}.png"
        if index % 3 == 0:
            path.write_bytes(b"no image")
        else:
            write_image(path, RNG.integers(0, 256, (20 + index, 30, 3), dtype=np.uint8))
        files.append(path)
    done = []
    good, bad = inspect(files, workers=3, advance=lambda: done.append(1))
    assert [file.path for file in good] == [path for i, path in enumerate(files) if i % 3]
    assert [error.path for error in bad] == files[::3]
    assert len(done) == 20
    for file in good:
        assert (file.height, file.width) == (20 + int(file.path.stem), 30)
        assert file.size == file.path.stat().st_size
        assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()


def test_every_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "small.png", np.zeros((15, 90, 3), np.uint8))
    frames = [Image.new("L", (64, 64), value) for value in (0, 99)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    whole = tmp_path / "cut.png"
    write_image(whole, RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    whole.write_bytes(whole.read_bytes()[:5000])
    files = [tmp_path / name for name in ("small.png", "moving.gif", "cut.png", "none.png")]
    _, bad = inspect(files, least=16)
    reasons = ["15x90 pixels", "2 frames", "cut short", "does not exist"]
    for error, reason in zip(bad, reasons, strict=True):
        assert reason in error.reason
    write_image(tmp_path / "huge.png", np.zeros((64, 64, 3), np.uint8))

    def exhausted(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mtlsr.data.inspection.decoding.read_image", exhausted)
    assert "fit into memory" in inspect([tmp_path / "huge.png"])[1][0].reason


def test_nothing_to_inspect() -> None:
    assert inspect([]) == ([], [])


def test_what_could_wait_for_ever_is_named_and_not_opened(tmp_path: Path) -> None:
    write_image(tmp_path / "good.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to("good.png")
    (tmp_path / "nowhere.png").symlink_to("none.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / ".hidden.png").symlink_to("none.png")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as plug:
        here = Path.cwd()
        os.chdir(tmp_path)  # the path of a socket must be short
        plug.bind("socket.png")
        os.chdir(here)
        found = {error.path.name: error.reason for error in irregular(tmp_path)}
    assert found == {
        "loop.png": "this is a link that leads nowhere",
        "nowhere.png": "this is a link that leads nowhere",
        "pipe.png": "this is no regular file",
        "socket.png": "this is no regular file",
        "zero.png": "this is no regular file",
    }
