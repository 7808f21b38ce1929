"""benchmark.json: every figure beside its limit. What the figures are, no test can promise."""

import json

import pytest

from mtlsr.benchmark import check, run
from mtlsr.runs.schema import ConfigError


def test_benchmark_writes_each_figure_beside_its_limit(compose):
    folder = run(compose("benchmark", "part=all", "repeats=1", "measured_steps=10"))
    written = json.loads((folder / "benchmark.json").read_text())
    assert written["machine"]["cores"] >= 1
    assert set(written["parts"]) == {"step", "objective"}
    for figures in written["parts"].values():
        assert set(figures) == {"realism", "restoration"}
        for figure in figures.values():
            assert set(figure) == {"value", "unit", "limit", "ratio"}
            assert figure["limit"] > 0
    assert not (folder / "scratch").exists()


def test_an_unknown_part_is_refused(compose):
    with pytest.raises(ConfigError, match="part is 'everything'; it is one of step, objective"):
        check(compose("benchmark", "part=everything"))
