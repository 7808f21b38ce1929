"""Checkpoint files: whole or not there, and a damaged or hostile one is told from a good one."""

import errno
import os
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch

from mtlsr import files
from mtlsr.runs.checkpoints import CheckpointError, WholeFiles, newest, read
from tests.same_runs import assert_equal


def state(step: int) -> dict:
    torch.manual_seed(step)
    return {"global_step": step, "state_dict": {"weight": torch.randn(20, 30)}, "rows": step}


def write(path: Path, step: int) -> Path:
    WholeFiles().save_checkpoint(state(step), path)
    return path


def test_what_is_written_is_read(tmp_path):
    path = write(tmp_path / "new" / "last.ckpt", 3)
    assert_equal(read(path), state(3))
    assert_equal(torch.load(path, weights_only=True), state(3))
    assert [each.name for each in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path, share):
    path = write(tmp_path / "last.ckpt", 3)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match=r"last\.ckpt' is damaged"):
        read(path)


def test_flipped_bytes_are_refused_or_touch_nothing(tmp_path):
    """Between the records lie zeros and dates that nobody reads."""
    path = write(tmp_path / "last.ckpt", 3)
    good, chance, refused = path.read_bytes(), random.Random(0), 0
    for _ in range(150):
        broken = bytearray(good)
        broken[chance.randrange(len(good))] ^= 1 << chance.randrange(8)
        path.write_bytes(broken)
        try:
            assert_equal(read(path), state(3))
        except CheckpointError:
            refused += 1
    assert refused > 75


class Evil:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("kind", ["bare", "zip"])
def test_a_pickle_that_would_do_something_is_refused_and_does_nothing(tmp_path, kind):
    path = tmp_path / "last.ckpt"
    hostile = {"global_step": 1, "state_dict": Evil(tmp_path / "victim")}
    if kind == "zip":
        torch.save(hostile, path)
    else:
        path.write_bytes(pickle.dumps(hostile))
    with pytest.raises(CheckpointError, match="damaged or no checkpoint"):
        read(path)
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("kind", ["packed", "claiming"])
def test_a_record_that_claims_to_be_huge_is_refused_unread(tmp_path, kind):
    path = tmp_path / "last.ckpt"
    if kind == "packed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("last/data.pkl", bytes(10**6))
    else:
        write(path, 3)
        with zipfile.ZipFile(path, "a") as archive:
            largest = max(archive.infolist(), key=lambda record: record.file_size)
            largest.file_size = largest.compress_size = 10**12
            archive._didModify = True
    with pytest.raises(CheckpointError, match="claims 1000000"):
        read(path)


def test_plain_data_of_something_else_is_refused(tmp_path):
    torch.save({"weights": torch.ones(2)}, tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="no checkpoint of a training"):
        read(tmp_path / "last.ckpt")
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        read(tmp_path / "other.ckpt")


def test_the_newest_intact_one_is_found(tmp_path):
    assert newest(tmp_path) is None
    write(tmp_path / "best.ckpt", 4)
    write(tmp_path / "previous.ckpt", 2)
    last = write(tmp_path / "last.ckpt", 6)
    path, found, errors = newest(tmp_path)
    assert (path.name, found["global_step"], errors) == ("last.ckpt", 6, [])
    last.write_bytes(last.read_bytes()[:-50])
    path, found, errors = newest(tmp_path)
    assert (path.name, found["global_step"]) == ("best.ckpt", 4)
    assert "last.ckpt" in str(errors[0])
    for name in ("best.ckpt", "previous.ckpt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(CheckpointError, match="delete that folder to train this stage from its"):
        newest(tmp_path)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, call):
    path = write(tmp_path / "last.ckpt", 3)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, call, full)
    with pytest.raises(CheckpointError, match=r"cannot be written \(No space left on device\)"):
        write(path, 4)
    monkeypatch.undo()
    assert_equal(read(path), state(3))
    assert [each.name for each in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_second_name_follows_only_when_asked(tmp_path):
    path = write(tmp_path / "last.ckpt", 3)
    for _ in range(2):
        files.link(path, tmp_path / "previous.ckpt")
    write(path, 4)
    assert read(tmp_path / "previous.ckpt")["global_step"] == 3
    files.link(path, tmp_path / "previous.ckpt")
    assert read(tmp_path / "previous.ckpt")["global_step"] == 4
    assert len(list(tmp_path.iterdir())) == 2


def test_a_file_system_without_hard_links_gets_a_copy(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", refused)
    path = write(tmp_path / "last.ckpt", 3)
    files.link(path, tmp_path / "best.ckpt")
    assert_equal(read(tmp_path / "best.ckpt"), state(3))
    assert not path.samefile(tmp_path / "best.ckpt")


def test_generators_survive(tmp_path):
    import random as python

    import numpy as np

    from mtlsr.runs.generators import generator_states, restore_generators

    def draws() -> list[float]:
        return [python.random(), float(np.random.rand()), float(torch.rand(()))]

    torch.save({"global_step": 0, "state_dict": {}, "g": generator_states()}, tmp_path / "a.ckpt")
    expected = draws()
    assert draws() != expected
    restore_generators(read(tmp_path / "a.ckpt")["g"], rank=0)
    assert draws() == expected
    restore_generators(read(tmp_path / "a.ckpt")["g"], rank=1)  # was not there
    assert draws() != expected
