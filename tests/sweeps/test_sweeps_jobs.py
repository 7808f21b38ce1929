"""What a sweep's folder is read as."""

import re

import pytest

from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.jobs import collect
from tests.sweeps.made import write_job, write_sweep


def test_each_state_of_a_job_is_told(tmp_path):
    sweep = write_sweep(tmp_path / "sweep", "loss.lambda2=0,1,2", "seed=0,1")
    given = [[f"loss.lambda2={a}", f"seed={b}"] for a in range(3) for b in range(2)]
    write_job(sweep, 0, given[0], {"set": {"mtlsr": [30.0]}})
    write_job(sweep, 1, given[1], status="failed", error="ValueError: the sky fell")
    write_job(sweep, 2, given[2], status="interrupted")
    write_job(sweep, 3, given[3], status="running")
    folder = write_job(sweep, 4, given[4], status=None)
    (folder / "error.txt").write_text("Traceback\n  in a file\nRuntimeError: no memory\n")
    jobs = collect(sweep)
    assert [job.status for job in jobs] == [
        "done", "failed", "interrupted", "unfinished", "failed", "not started",
    ]  # fmt: skip
    assert [list(job.overrides) for job in jobs] == given
    assert [job.failure for job in jobs if job.failure] == [
        "ValueError: the sky fell",
        "RuntimeError: no memory",
    ]
    assert [job.results is not None for job in jobs] == [True] + [False] * 5


def test_the_order_is_that_of_the_command_and_not_of_names(tmp_path):
    sweep = write_sweep(tmp_path / "sweep", "seed=" + ",".join(map(str, range(12))))
    for number in reversed(range(12)):
        write_job(sweep, number, [f"seed={number}"], name=f"seed/{number}")
    assert [job.name for job in collect(sweep)] == [f"seed/{number}" for number in range(12)]


def test_what_a_job_failed_by_outdoes_what_it_found_out_before(tmp_path):
    folder = write_job(tmp_path, 0, [], {"set": {"mtlsr": [30.0]}})
    (folder / "error.txt").write_text("It was begun with another value.")
    assert collect(tmp_path)[0].status == "failed"


@pytest.mark.parametrize(
    ("given", "composed", "value"),
    [("1", 1.0, "1"), ("0.10", 0.1, "0.1"), ("1e-3", 0.001, "0.001"), ("True", True, "true"),
     ("[0.9, 0.99]", [0.9, 0.99], "[0.9,0.99]"), ("null", None, "null"), ("'a b'", "a b", "a b")],
)  # fmt: skip
def test_a_value_is_the_same_on_the_command_line_and_in_a_configuration(
    tmp_path, given, composed, value
):
    write_job(tmp_path, 0, [f"loss.x={given}"])
    write_job(tmp_path, 1, [], config={"loss": {"x": composed}})
    assert [job.value("loss.x") for job in collect(tmp_path)] == [value, value]


def test_a_value_that_no_job_was_given_is_looked_up(tmp_path):
    choices = {"balancing": "mgda", "experiment": None}
    write_job(tmp_path, 0, ["+new=1"], config={"loss": {"lambda2": 0.5}}, choices=choices)
    (job,) = collect(tmp_path)
    keys = ("new", "loss.lambda2", "balancing", "experiment", "seed", "nothing.here")
    assert [job.value(key) for key in keys] == ["1", "0.5", "mgda", "null", "0", ""]


@pytest.mark.parametrize(("name", "said"), [("none", "is no folder"), ("", "holds no jobs")])
def test_what_is_no_sweep_is_refused(tmp_path, name, said):
    with pytest.raises(ConfigError, match=said):
        collect(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("manifest.json", r"manifest\.json is damaged"),
        ("results.json", r"results\.json is damaged"),
        ("per_image.csv", r"per_image\.csv is damaged"),
    ],
)
@pytest.mark.parametrize("content", [b"{", b"\xff\xfe{"])
def test_a_job_with_a_damaged_file_has_failed_by_it_and_the_others_stay(
    tmp_path, name, said, content
):
    for number in range(2):
        folder = write_job(tmp_path, number, [f"x={number}"], {"set": {"mtlsr": [30.0]}})
    (folder / name).write_bytes(content)
    whole, damaged = collect(tmp_path)
    assert whole.done and whole.results is not None
    assert damaged.status == "failed" and damaged.results is None
    assert re.search(said, damaged.failure)


def test_a_folder_of_sweeps_or_of_runs_is_no_sweep(tmp_path):
    for name in "ab":
        sweep = write_sweep(tmp_path / name, "seed=0,1")
        write_job(sweep, 0, ["seed=0"], {"set": {"mtlsr": [30.0]}})
    both = f"sweep={tmp_path}/a,{tmp_path}/b reports on them together"
    with pytest.raises(ConfigError, match=f"which is no sweep but holds some: {both}"):
        collect(tmp_path)
    run = write_job(tmp_path / "runs", 0, [], {"set": {"mtlsr": [30.0]}})
    path = run / ".hydra" / "hydra.yaml"
    path.write_text(path.read_text().replace("num: 0", "num: ???"))
    with pytest.raises(ConfigError, match=r"runs/0 is a run, no job of a sweep\."):
        collect(tmp_path / "runs")
