"""`python -m mtlsr.report`: what it says, writes and refuses."""

import pytest

from tests.sweeps.made import write_job

FIGURES = {"set": {"bicubic": [27.0, 28.0], "mtlsr": [28.0, 29.5]}}


def test_the_report_can_be_made_again(command, tmp_path):
    for number in range(2):
        write_job(tmp_path / "a b", number, [f"x={number}"], FIGURES)
        write_job(tmp_path / "c", number, [f"x={number + 2}"], FIGURES)
    done = command("report", tmp_path, "sweep=a b,c", "baseline=x=3", "output=out")
    assert (done.returncode, done.stderr) == (0, "")
    assert "set, PSNR-Y: x=0 is highest, 28.75 dB; not distinguishable" in done.stdout
    assert "the baseline x=3" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"a b", "c", "out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sweep.csv", "report.html"}
    again = command("report", tmp_path / "c", "sweep=[.,../a b]", "baseline=x=3", "output=../out")
    assert (again.returncode, again.stderr) == (0, "")
    assert "<title>Sweep c, a b</title>" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["sweep=nowhere"], "sweep is 'nowhere', which is no folder."),
        (["sweep=one", "baseline=x=7"], "baseline is 'x=7', which means 0 of these: all."),
        (["sweep=one", "metrics=[much]"], "metrics is ['much']; choose from psnr_y"),
        (["sweep=one,"], "sweep is 'one,', which has an empty entry."),
        (["sweep=[one,./one]"], "sweep has a folder twice: one, one."),
        (["-m", "sweep=one"], "mtlsr.report does one thing at a time: -m has no meaning here."),
        ([], "sweep"),
    ],
)
def test_the_report_refuses_in_one_line(command, tmp_path, given, said):
    write_job(tmp_path / "one", 0, ["x=1"], FIGURES)
    done = command("report", tmp_path, *given)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"one"}
