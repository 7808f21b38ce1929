"""What `trainer.profile=true` leaves."""

import json

from mtlsr.runs.profiling import ACTIVE
from mtlsr.train import check, run


def test_a_profiled_run_leaves_a_trace_of_both_stages(compose):
    cfg = compose("train", "trainer.profile=true")
    check(cfg)
    folder = run(cfg)
    for stage in ("realism", "restoration"):
        (trace,) = (folder / "profile").glob(f"fit-{stage}*training_step*.trace.json")
        events = json.loads(trace.read_text())["traceEvents"]
        steps = [each for each in events if each.get("name", "").startswith("ProfilerStep#")]
        assert 1 <= len(steps) <= ACTIVE
        assert any("convolution" in each.get("name", "") for each in events)
        assert "Self CPU" in (folder / "profile" / f"fit-{stage}.txt").read_text()


def test_other_runs_leave_none(compose):
    folder = run(compose("train", "stages=[realism]", "trainer.profile=false"))
    assert not (folder / "profile").exists()
