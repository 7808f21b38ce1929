"""What a measurement leaves, and what is said when it is compared with another."""

import json

import pytest
from PIL import Image

from mtlsr.runs.schema import ConfigError
from mtlsr.runs.timing import record
from mtlsr.runs.timing.common import Figure
from mtlsr.runs.timing.plot import plot

PARTS = {"step": {"restoration": Figure(24.0, "steps/s", 25.0, 0.96)}}


def cells(table):
    return [row for row in zip(*(column.cells for column in table.columns), strict=True)]


def test_what_is_written_is_what_is_read(tmp_path):
    record.write(tmp_path, None, PARTS)
    assert record.read(tmp_path, "base") == PARTS
    assert record.read(tmp_path / "benchmark.json", "base") == PARTS
    assert [path.name for path in tmp_path.iterdir()] == ["benchmark.json"]


def test_the_history_grows_by_a_line_a_run(tmp_path):
    history = tmp_path / "deeper" / "history.jsonl"
    for _ in range(2):
        record.write(tmp_path, history, PARTS)
    first, second = map(json.loads, history.read_text().splitlines())
    assert first["parts"] == second["parts"]
    assert first["parts"]["step"]["restoration"]["ratio"] == 0.96
    assert first["machine"]["cores"] >= 1
    assert first["time"] <= second["time"]


@pytest.mark.parametrize("content", [None, "no JSON", "[]", "{}", '{"parts": {"a": {"b": {}}}}'])
def test_another_file_is_no_base(tmp_path, content):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"base is .*other\.json.*no benchmark\.json"):
        record.read(path, "base")


def test_two_measurements_are_compared_by_name():
    base = PARTS | {"gone": {"a": Figure(1.0, "ms", 2.0, 0.5)}}
    now = {
        "step": {
            "restoration": Figure(30.0, "steps/s", 30.0, 1.0),
            "realism": Figure(7.0, "steps/s", 7.0, 1.0),
        }
    }
    assert cells(record.comparison(base, now)) == [
        ("step", "restoration", "steps/s", "24.00", "30.00", "1.250", "0.960", "1.000"),
        ("step", "realism", "steps/s", "", "7.00", "", "", "1.000"),
        ("gone", "a", "ms", "1.00", "", "", "0.500", ""),
    ]


def test_values_in_other_units_are_not_divided():
    base = {"step": {"restoration": Figure(24.0, "ms", 25.0, 0.96)}}
    assert cells(record.comparison(base, PARTS))[0][5] == ""


def test_the_plot_is_an_image(tmp_path):
    pytest.importorskip("matplotlib")
    plot(tmp_path / "benchmark.png", PARTS | {"none": {}})
    assert Image.open(tmp_path / "benchmark.png").size[0] > 500
    assert [path.name for path in tmp_path.iterdir()] == ["benchmark.png"]
