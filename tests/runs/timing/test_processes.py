"""Processes that are measured: waited for, looked at, ended."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mtlsr.runs.timing import processes
from mtlsr.runs.timing.common import Figure, interleaved

proc = pytest.mark.skipif(not Path("/proc").exists(), reason="the system has no /proc")


def python(code):
    return [sys.executable, "-c", code]


def test_a_command_is_waited_for():
    assert 0.2 < processes.spend(python("import time; time.sleep(0.2)")).seconds < 60


def test_a_command_is_stopped_when_what_was_waited_for_is_there(tmp_path):
    mark = tmp_path / "mark"
    code = f"import pathlib, time; pathlib.Path({str(mark)!r}).touch(); time.sleep(1000)"
    assert processes.spend(python(code), until=mark.exists).seconds < 100


@pytest.mark.parametrize("until", [None, lambda: False])
def test_a_command_that_fails_says_why(until):
    with pytest.raises(RuntimeError, match=r"ended with 1: .*the sky fell"):
        processes.spend(python("raise SystemExit('the sky fell')"), until)


def test_a_command_that_ends_too_early_is_an_error():
    with pytest.raises(RuntimeError, match="ended with 0"):
        processes.spend(python("pass"), until=lambda: False)


def test_variables_reach_the_command():
    code = "import os, sys; sys.exit(os.environ['GIVEN'] != 'yes')"
    processes.spend(python(code), environment={"GIVEN": "yes"})


@proc
def test_memory_is_that_of_all_processes_together():
    """The child's child fills 80 MB, the child itself next to nothing."""
    inner = "import time; kept = bytearray(b'x') * 80_000_000; time.sleep(0.5)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    assert 80e6 < processes.spend(python(outer), memory=True).memory < 160e6


@proc
def test_a_process_that_has_ended_has_no_memory():
    ended = subprocess.Popen(python("pass"))
    ended.wait()
    assert processes.anonymous(ended.pid) == 0
    assert processes.resident(os.getpid())["RssAnon"] > 0


def test_repeats_are_interleaved():
    order = []

    def work(name):
        return lambda: order.append(name) or time.perf_counter()

    found = interleaved({"a": work("a"), "b": work("b")}, 2)
    assert order == ["a", "b", "a", "b"]
    assert {name: len(times) for name, times in found.items()} == {"a": 2, "b": 2}


def test_a_figure_has_the_median_of_ratios_and_not_the_ratio_of_medians():
    assert Figure.of([1, 10, 100], [1, 20, 25], "ms", 2) == Figure(20, "ms", 40, 1.0)
