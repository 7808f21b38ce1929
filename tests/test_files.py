"""Files that are complete or absent."""

import json

import pytest

from mtlsr.files import read_csv, remove_unfinished, replacing, write_csv, write_json


def test_a_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    write_json(path, {"new": 1})
    assert json.loads(path.read_text()) == {"new": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "a.csv"
    write_csv(path, [{"x": 1, "said": 'a "b", c\nd'}, {"y": 0.1, "x": None}])
    assert read_csv(path) == [
        {"x": "1", "said": 'a "b", c\nd', "y": ""},
        {"x": "", "said": "", "y": "0.1"},
    ]
    write_csv(path, [], ["x", "y"])
    assert path.read_bytes() == b"x,y\r\n"
    with pytest.raises(ValueError, match="z"):
        write_csv(path, [{"z": 1}], ["x"])
    assert path.read_bytes() == b"x,y\r\n"


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="half-way"), replacing(path) as file:
        file.write("new")
        raise RuntimeError("half-way")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_others_may_read_it_as_the_system_says(tmp_path):
    plain, written = tmp_path / "plain", tmp_path / "written"
    plain.write_text("")
    with replacing(written):
        pass
    assert plain.stat().st_mode == written.stat().st_mode


def test_what_was_left_unfinished_is_swept_away(tmp_path):
    (tmp_path / "a" / ".realism.7.tmp").mkdir(parents=True)
    (tmp_path / "a" / ".realism.7.tmp" / "last.ckpt").write_text("half")
    (tmp_path / ".b.json.7.tmp").write_text("half")
    (tmp_path / "a" / "last.ckpt").write_text("whole")
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "last.ckpt"]
