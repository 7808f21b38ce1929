"""What a report says and writes."""

import csv
import io

import numpy as np
import pytest
from rich.console import Console

from mtlsr.runs.pairwise.words import rounded
from mtlsr.runs.schema import ConfigError
from mtlsr.sweeps.leaderboard import leaderboard
from mtlsr.sweeps.report import report
from mtlsr.sweeps.tables import show
from mtlsr.sweeps.words import answers, duration, mean_text, remarks
from tests.sweeps.made import write_job, write_sweep

BASE = np.linspace(25, 32, 6)


@pytest.fixture
def sweep(tmp_path):
    """A baseline, a better variant, an equal one; one failed job and one that never began."""
    folder = write_sweep(tmp_path / "sweep", "loss.lambda2=0,1,2,3,4")
    gains = [np.zeros(6), np.linspace(0.1, 0.3, 6), np.array([1, -1, 1, -1, 1, -1]) / 10]
    for number, gain in enumerate(gains):
        figures = {"set": {"bicubic": BASE - 1, "mtlsr": BASE + gain}}
        write_job(folder, number, [f"loss.lambda2={number}"], figures)
    write_job(folder, 3, ["loss.lambda2=3"], status="failed", error="ValueError: [red] sky")
    return folder


def shown(found) -> str:
    console = Console(width=160, record=True, file=None, quiet=False)
    with console.capture() as captured:
        show(found, console)
    return captured.get()


def test_the_table_ranks_compares_and_says_what_is_missing(sweep):
    text = shown(leaderboard([sweep], None, ["psnr_y", "ssim_y"]))
    lines = [line for line in text.splitlines() if line.strip()]
    assert lines[0].strip() == "set, 6 images, protocol c429ac591fc3"
    ranked = [line.split()[0] for line in lines if line.split()[0] in {"0", "1", "2", "3", "4"}]
    assert ranked[0] == "1" and ranked[3:] == ["3", "4"]
    assert "better" in text and "not distinguishable" in text and "baseline" in text
    assert "bicubic" in text
    assert "Job 3 failed: ValueError: [red] sky" in text
    assert "Not started: job 4." in text


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_of_a_search_over_four_weights_is_cut_in_80_columns(tmp_path, terminal):
    rng = np.random.default_rng(0)
    for number in range(8):
        weights = [weight * (1 + number // 2) for weight in (0.0789, 2.8213, 0.0123, 0.1234)]
        given = [f"loss.lambda{i}={weight:.4f}" for i, weight in enumerate(weights, 1)]
        own = BASE + (0, 0.3, 0.001, -0.3)[number // 2] + rng.normal(0, 0.02, 6)
        figures = {"set": {"bicubic": BASE - 1, "mtlsr": own}}
        status = "interrupted" if number == 7 else "done"
        write_job(
            tmp_path,
            number,
            [*given, f"seed={number % 2}"],
            figures,
            status,
            seconds={"restoration": 4000.0},
        )
    found = leaderboard([tmp_path], None, ["psnr_y", "ssim_y"])
    written = io.StringIO()
    show(found, Console(file=written, width=80, force_terminal=terminal, color_system=None))
    table = written.getvalue().partition("± is the")[0]
    assert "…" not in table
    if terminal:
        assert all(len(line) <= 80 for line in table.splitlines())
    board = found.boards[0]
    for variant in found.variants:
        first, second = (board.scores[variant.name][each.name] for each in board.measures)
        said = [mean_text(board.measures[0], first), board.measures[1].text(second.mean)]
        said += [*variant.values.values(), "1:06:40"]
        if variant is not found.baseline:
            _, low, high = rounded(first.difference, 2)
            said += [f"{low} to {high}", *first.verdict.split()]
        for each in said:
            assert each in table, each
    assert all(word in table for word in ("baseline", "bicubic", "interrupted"))


def test_an_answer_is_a_sentence(sweep):
    found = leaderboard([sweep], None, ["psnr_y"])
    (said,) = answers(found.boards[0])
    score = found.boards[0].scores["loss.lambda2=1"]["psnr_y"].difference
    assert said == (
        "set, PSNR-Y: loss.lambda2=1 is highest, 28.70 dB; better than the baseline "
        f"loss.lambda2=0 (+0.20 dB, 95 % interval {score.low:+.2f} to {score.high:+.2f})."
    )
    (said,) = answers(leaderboard([sweep], "loss.lambda2=1", ["psnr_y"]).boards[0])
    assert "it is the baseline; worse: loss.lambda2=0, loss.lambda2=2." in said


def test_an_answer_says_where_interpolation_is_better_than_every_variant(sweep):
    for number in range(3):
        figures = {"set": {"bicubic": BASE + 3.0625, "mtlsr": BASE + number}}
        write_job(sweep.parent / "short", number, [f"x={number}"], figures)
    (said,) = answers(leaderboard([sweep.parent / "short"], None, ["psnr_y"]).boards[0])
    assert said.endswith(". No variant reaches bicubic, 31.56 dB.")
    alone = write_job(sweep.parent / "alone", 0, [], {"set": {"bicubic": BASE, "mtlsr": BASE - 1}})
    (said,) = answers(leaderboard([alone.parent], None, ["psnr_y"]).boards[0])
    assert said.endswith(" alone has figures: 27.50 dB. No variant reaches bicubic, 28.50 dB.")


def test_an_answer_over_other_seeds_says_so(tmp_path):
    for number, (value, seed, figures) in enumerate(
        [(0, 0, BASE + 4), (0, 1, BASE), (1, 0, None), (1, 1, BASE + np.linspace(0.5, 0.6, 6))]
    ):
        given, of = [f"x={value}", f"seed={seed}"], figures is not None
        own = {"set": {"mtlsr": figures}} if of else None
        write_job(tmp_path, number, given, own, status="done" if of else "failed", error=None)
    found = leaderboard([tmp_path], None, ["psnr_y"])
    (said,) = answers(found.boards[0])
    assert "x=0 is highest" in said
    assert said.endswith("it is the baseline; better under the seeds that both have: x=1.")
    assert remarks(found)[1:] == [
        "Means on set are over different seeds (x=0 under 0, 1; x=1 under 1); differences to the "
        "baseline are over those that both have."
    ]


def test_a_measure_that_a_job_lacks_is_left_out_by_name_and_one_that_all_lack_is_refused(tmp_path):
    for number in range(2):
        folder = write_job(tmp_path, number, [f"x={number}"], {"set": {"mtlsr": BASE}})
    path = folder / "per_image.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["ssim_y"] = rows[0]["lpips"] = ""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = leaderboard([tmp_path], None, ["psnr_y", "ssim_y"])
    assert [measure.name for measure in found.boards[0].measures] == ["psnr_y"]
    assert remarks(found) == ["SSIM-Y is left out: x=1 has no figures of it on set."]
    with pytest.raises(ConfigError, match=r"metrics is \['lpips'\].* All have psnr_y, psnr_rgb"):
        leaderboard([tmp_path], None, ["lpips"])


def test_where_the_baseline_was_not_measured_no_seed_is_blamed(tmp_path):
    for number, dataset in enumerate(("set", "other")):
        write_job(tmp_path, number, [f"scale={number + 2}"], {dataset: {"mtlsr": BASE}})
    text = shown(leaderboard([tmp_path], None, ["psnr_y"]))
    assert "not measured here" in text and "no common seed" not in text


def test_swept_data_sets_stay_beside_those_that_were_measured(tmp_path):
    for number, name in enumerate(("set5", "b100")):
        write_job(tmp_path, number, [f"dataset={name}"], {"val": {"mtlsr": BASE}})
    report([tmp_path], None, ["psnr_y"], tmp_path)
    with (tmp_path / "sweep.csv").open(newline="") as file:
        rows = [(row["dataset"], row["measured_on"]) for row in csv.DictReader(file)]
    assert rows == [("set5", "val"), ("b100", "val")]


def test_sweeps_whose_folders_have_the_same_name_are_told_apart(tmp_path):
    folders = [tmp_path / name / "sweep" for name in "ab"]
    for folder in folders:
        write_job(folder, 0, ["x=1"], {"set": {"mtlsr": BASE}})
    found = leaderboard(folders, None, ["psnr_y"])
    assert [variant.name for variant in found.variants] == ["sweep=a/sweep", "sweep=b/sweep"]
    with pytest.raises(ConfigError, match="a folder twice"):
        leaderboard([folders[0], folders[0] / ".." / "sweep"], None, ["psnr_y"])


def test_without_figures_it_says_so(tmp_path):
    write_job(tmp_path, 0, [], status="running")
    found = leaderboard([tmp_path], None, ["psnr_y"])
    assert remarks(found) == [
        "Unfinished: job 0.",
        "No job has figures yet: there is nothing to rank.",
    ]
    assert not found.complete


def test_of_several_sweeps_a_job_is_named_with_its_own(tmp_path):
    for name in "ab":
        write_job(tmp_path / name, 0, [f"x={name}"], status="failed", error="ValueError: no")
        write_job(tmp_path / name, 1, [f"x={name}", "seed=1"], status="running")
    assert remarks(leaderboard([tmp_path / "a", tmp_path / "b"], None, ["psnr_y"]))[:3] == [
        "Job a/0 failed: ValueError: no",
        "Job b/0 failed: ValueError: no",
        "Unfinished: jobs a/1, b/1.",
    ]


def test_other_code_is_said(tmp_path):
    for number, commit in enumerate("ab"):
        write_job(tmp_path, number, [f"x={number}"], {"set": {"mtlsr": BASE}}, commit=commit)
    assert "The jobs ran different code: commits a, b." in remarks(
        leaderboard([tmp_path], None, ["psnr_y"])
    )


def test_other_changes_of_the_same_code_are_said(tmp_path):
    for number, diff in enumerate(("", "+1")):
        own = {"commit": "a", "diff": diff}
        write_job(tmp_path, number, [f"x={number}"], {"set": {"mtlsr": BASE}}, **own)
    assert "The jobs ran different code: commit a with different changes." in remarks(
        leaderboard([tmp_path], None, ["psnr_y"])
    )


def test_sweep_csv_has_every_job_and_every_figure(sweep, capsys):
    found = report([sweep], None, ["psnr_y", "ssim_y"], sweep)
    with (sweep / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["job"] for row in rows] == ["0", "0", "1", "1", "2", "2", "3", "4"]
    assert [row["status"] for row in rows[-2:]] == ["failed", "not started"]
    row = next(row for row in rows if (row["job"], row["measure"]) == ("1", "psnr_y"))
    score = found.boards[0].scores["loss.lambda2=1"]["psnr_y"]
    assert float(row["value"]) == score.mean
    assert [float(row[side]) for side in ("difference", "low", "high")] == [
        score.difference.mean, score.difference.low, score.difference.high,
    ]  # fmt: skip
    assert row["verdict"] == "better"
    assert "sweep.csv" in capsys.readouterr().out


@pytest.mark.parametrize(("seconds", "said"), [(None, ""), (59.6, "1:00"), (3723, "1:02:03")])
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_other_hardware_is_said(tmp_path):
    for number, cpu in enumerate(("old", "new")):
        own = {"cpu": cpu, "capability": "AVX2", "threads": number + 1, "gpus": []}
        figures = {"set": {"mtlsr": BASE}}
        write_job(tmp_path, number, [f"x={number}"], figures, hardware=own)
    assert remarks(leaderboard([tmp_path], None, ["psnr_y"])) == [
        "The jobs ran on different hardware: old (AVX2), 1 thread; new (AVX2), 2 threads."
    ]


def test_an_infinite_figure_is_said_where_it_enters_a_mean(tmp_path):
    for number in range(2):
        perfect = [*BASE[:-1], np.inf] if number else BASE
        write_job(tmp_path, number, [f"x={number}"], {"set": {"mtlsr": perfect}})
    assert remarks(leaderboard([tmp_path], None, ["psnr_y"])) == [
        "Job 1 has an infinite PSNR-Y in 1 of 6 images of set, where nothing differs; it counts as "
        "100 dB in means."
    ]


def test_seeds_are_those_behind_the_figures(tmp_path):
    """The second variant was measured on another data set under one of its seeds."""
    for number, (value, seed) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        figures = {"other" if number == 3 else "set": {"mtlsr": BASE + number}}
        write_job(tmp_path, number, [f"x={value}", f"seed={seed}"], figures)
    found = leaderboard([tmp_path], None, ["psnr_y"])
    rows = [line.split()[:2] for line in shown(found).splitlines() if line.split()]
    counted = [row for row in rows if row[0] in ("0", "1")]
    assert counted == [["1", "1"], ["0", "2"], ["1", "1"], ["0", "0"]]
