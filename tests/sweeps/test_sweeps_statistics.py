"""Means, deviations and intervals of a sweep are those of the one implementation."""

import numpy as np
import pytest

from mtlsr.metrics.paired import paired_interval
from mtlsr.metrics.protocol import Protocol
from mtlsr.runs.pairwise.selection import find_measures
from mtlsr.sweeps.leaderboard import leaderboard
from mtlsr.sweeps.statistics import boards
from mtlsr.sweeps.variants import find_baseline, variants
from tests.measured import LITERATURE
from tests.sweeps.made import write_job

RNG = np.random.default_rng(0)
BICUBIC = RNG.normal(28, 3, 8)
BASE = BICUBIC + RNG.normal(1.0, 0.1, (3, 8))
GAINS = RNG.gamma(4, 0.05, (3, 8))
METRICS = ["psnr_y", "ssim_y"]


def write(sweep, number, value, seed, psnr, bicubic=BICUBIC, dataset="set"):
    figures = {dataset: {"bicubic": bicubic[: len(psnr)], "mtlsr": psnr}}
    return write_job(sweep, number, [f"x={value}", f"seed={seed}"], figures)


@pytest.fixture
def sweep(tmp_path):
    """Two variants under three seeds, of which the second is better."""
    for seed in range(3):
        write(tmp_path, seed, 0, seed, BASE[seed])
        write(tmp_path, 3 + seed, 1, seed, BASE[seed] + GAINS[seed])
    return tmp_path


def test_means_deviations_and_intervals(sweep):
    (board,) = leaderboard([sweep], None, METRICS).boards
    assert (board.dataset, board.protocol, board.images) == ("set", LITERATURE, 8)
    base, better = (board.scores[name]["psnr_y"] for name in ("x=0", "x=1"))
    assert base.mean == pytest.approx(BASE.mean())
    assert base.deviation == pytest.approx(BASE.mean(axis=1).std(ddof=1))
    assert base.difference is None
    expected = paired_interval(GAINS)
    assert better.difference is not None
    for side in ("mean", "low", "high"):
        assert getattr(better.difference, side) == pytest.approx(getattr(expected, side))
    assert better.verdict == "better"
    assert board.ranked() == ["x=1", "x=0"]
    assert board.beside["bicubic"]["psnr_y"] == pytest.approx(BICUBIC.mean())


def test_the_baseline_turns_the_signs(sweep):
    (board,) = leaderboard([sweep], "x=1", METRICS).boards
    score = board.scores["x=0"]["psnr_y"]
    assert score.verdict == "worse"
    assert score.difference.high == pytest.approx(-paired_interval(GAINS).low)


def test_noise_is_not_distinguishable(tmp_path):
    noise = RNG.normal(0, 0.1, (3, 8))
    noise -= noise.mean()
    for seed in range(3):
        write(tmp_path, seed, 0, seed, BASE[seed])
        write(tmp_path, 3 + seed, 1, seed, BASE[seed] + noise[seed])
    (board,) = leaderboard([tmp_path], None, METRICS).boards
    assert board.scores["x=1"]["psnr_y"].verdict == "not distinguishable"


def test_only_common_seeds_are_compared_and_all_are_averaged(sweep):
    write(sweep, 6, 1, 9, BASE[0] + 7)
    (board,) = leaderboard([sweep], None, METRICS).boards
    score = board.scores["x=1"]["psnr_y"]
    assert len(score.by_seed) == 4 and score.seeds == 3
    assert score.difference.mean == pytest.approx(GAINS.mean())


def test_no_common_seed_no_difference(tmp_path):
    write(tmp_path, 0, 0, 0, BASE[0])
    write(tmp_path, 1, 1, 1, BASE[1])
    (board,) = leaderboard([tmp_path], None, METRICS).boards
    score = board.scores["x=1"]["psnr_y"]
    assert (score.difference, score.verdict, score.deviation) == (None, "", None)


def test_one_image_and_one_seed_have_no_interval(tmp_path):
    for number in range(2):
        write(tmp_path, number, number, 0, BASE[0][:1])
    (board,) = leaderboard([tmp_path], None, METRICS).boards
    assert board.scores["x=1"]["psnr_y"].difference is None


@pytest.mark.parametrize("change", ["images", "pixels", "protocol"])
def test_what_cannot_be_ranked_together_gets_its_own_board(tmp_path, change):
    write(tmp_path, 0, 0, 0, BASE[0])
    folder = write(
        tmp_path,
        1,
        1,
        0,
        BASE[0][:7] if change == "images" else BASE[0],
        BICUBIC + 0.01 if change == "pixels" else BICUBIC,
    )
    if change == "protocol":
        path = folder / "results.json"
        path.write_text(path.read_text().replace(LITERATURE.hash, Protocol.preset("full", 4).hash))
    found = leaderboard([tmp_path], None, METRICS)
    assert [list(board.scores) for board in found.boards] == [["x=0"], ["x=1"]]
    assert found.boards[1].baseline is None


@pytest.mark.parametrize("job", [0, 3])
def test_a_measure_that_one_job_lacks_is_not_shown(sweep, job):
    path = sweep / str(job) / "per_image.csv"
    lines = path.read_text().splitlines()
    column = lines[0].split(",").index("ssim_y")
    cut = [",".join(c for i, c in enumerate(line.split(",")) if i != column) for line in lines]
    path.write_text("\n".join(cut) + "\n")
    found = variants(leaderboard([sweep], None, ["psnr_y"]).jobs)
    (board,) = boards(found, find_baseline(found, None), find_measures(METRICS))
    assert [measure.name for measure in board.measures] == ["psnr_y"]
