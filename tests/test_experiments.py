"""What the studies in experiments/ share."""

import json
import shutil
from argparse import ArgumentTypeError
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.common import SCALE, markdown, rank_correlations, train, write_table
from experiments.flagship import reading, targets
from experiments.realism_vector import study as vector_study
from experiments.realistic import study as realistic_study
from mtlsr import Upscaler
from mtlsr.data.degradation import classical
from mtlsr.data.images import find_images, read_image
from mtlsr.data.pairs import EvaluationPair
from mtlsr.data.resize import bicubic_downscale, bicubic_upscale
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.runs import photographs
from mtlsr.runs.manifest import commit
from mtlsr.train import run as train_run


def finished(folder, *overrides, by=None):
    """A run's folder as a training would have left it."""
    folder.mkdir()
    given = [f"hydra.run.dir={folder}", "resume=auto", "logger=csv", "trainer.progress=false"]
    given.append("trainer.threads=1")
    values = {"status": "done", "command": ["train.py", *given, *overrides], "commit": by}
    (folder / "manifest.json").write_text(json.dumps(values))
    return folder


def test_a_training_that_is_there_already_is_not_done_again(tmp_path):
    folder = finished(tmp_path / "run", "seed=1", "stage1='a/b'", by=commit())
    before = sorted(tmp_path.rglob("*"))
    train(folder, "seed=1", "stage1=a/b", threads=1)
    assert sorted(tmp_path.rglob("*")) == before
    # One that was stopped and went on.
    resumed = finished(tmp_path / "resumed", "seed=1", "hydra.output_subdir=null", by=commit())
    train(resumed, "seed=1", threads=1)


def test_another_training_in_its_folder_is_never_taken_for_it(tmp_path):
    with pytest.raises(ValueError, match=r"holds another training: .*seed=1"):
        train(finished(tmp_path / "run", "seed=1", by=commit()), "seed=2", threads=1)
    with pytest.raises(ValueError, match="was trained by commit elsewhere"):
        train(finished(tmp_path / "other", "seed=1", by="elsewhere"), "seed=1", threads=1)


def test_a_table_goes_between_its_markers(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n")
    write_table(page, markdown(["x", "y"], [["1", "2"]]), "one")
    table = "| x | y |\n| --- | --- |\n| 1 | 2 |"
    assert page.read_text() == (
        f"a\n<!-- one -->\n{table}\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    )
    with pytest.raises(ValueError, match="no place for a table: <!-- three -->"):
        write_table(page, table, "three")


def test_photographs_are_degraded_alike_each_time_and_otherwise_in_each_sample(small_photographs):
    first, again = (realistic_study.degraded(small_photographs, 2) for _ in range(2))
    assert len(first) == 2 * len(list(small_photographs.iterdir()))
    for (pair, strengths), (other, others) in zip(first, again, strict=True):
        assert pair.hr.shape[:2] == tuple(SCALE * side for side in pair.lr.shape[:2])
        assert (pair.lr == other.lr).all()
        assert (strengths == others).all()
    assert (first[0][0].hr == first[1][0].hr).all()
    assert (first[0][0].lr != first[1][0].lr).any()


def test_a_realism_vector_is_asked_about_photographs_that_are_held_out(
    tmp_path, compose, small_photographs
):
    run = train_run(compose("train", "stages=[realism]"))
    found = vector_study.measure(run, small_photographs, 100)
    assert found["samples"] == 100
    for name in classical.names:
        assert 0 < found[f"{name} samples"] <= 100
        assert -1 <= found[name] <= 1
    assert 0 <= found["AUC"] <= 1


def test_the_table_of_degraded_photographs_compares_with_the_last_method():
    rows = {
        method: [{name: base + number for name in realistic_study.MEASURED} for number in range(6)]
        for method, base in (("bicubic", 20.0), ("degraded", 21.5))
    }
    pairs = [  # the second sample of the second and of the third photograph is clean
        (SimpleNamespace(name=name), np.array([0.0, strength]))
        for name, strength in (("a", 1), ("a", 1), ("b", 1), ("b", 0), ("c", 1), ("c", 0))
    ]
    for clean, count, first, second in ((False, 4, 22.17, 23.67), (True, 2, 24.0, 25.5)):
        header, _, bicubic, ours, difference = realistic_study.quality(
            rows, pairs, clean
        ).splitlines()
        assert header.startswith(f"| {count} low resolutions of {3 - clean} photographs | ")
        assert header.count("|") == 2 + len(realistic_study.MEASURED)
        assert bicubic.startswith(f"| bicubic | {first:.2f} ")
        assert ours.startswith(f"| degraded | {second:.2f} ")
        assert difference.startswith("| degraded - bicubic | ")
        assert "1.5" in difference
        assert "-1.5" not in difference


def test_sets_of_weights_are_given_by_a_label_and_a_model():
    assert realistic_study.labelled("with=runs/a=b") == ("with", "runs/a=b")
    for text in ("x4", "=x4", "x4="):
        with pytest.raises(ArgumentTypeError, match="is not <label>=<run or name>"):
            realistic_study.labelled(text)


def test_degraded_photographs_are_shown_beside_their_originals(tmp_path):
    rng = np.random.default_rng(0)
    hr = bicubic_upscale(rng.integers(0, 256, (75, 70, 3), dtype=np.uint8), SCALE)
    pairs = [EvaluationPair(name, hr[::SCALE, ::SCALE], hr) for name in "ab"]
    methods = {name: Interpolation(name) for name in ("bicubic", "lanczos")}
    realistic_study.picture(tmp_path / "shown.webp", methods, pairs)
    shown = read_image(tmp_path / "shown.webp")
    assert shown.shape == (2 * realistic_study.SIDE, 3 * realistic_study.SIDE, 3)
    middle = hr[22 : 22 + realistic_study.SIDE, 12 : 12 + realistic_study.SIDE]
    last = shown[: realistic_study.SIDE, -realistic_study.SIDE :]
    assert np.corrcoef(middle.ravel(), last.ravel())[0, 1] > 0.9  # WebP loses something


def test_what_the_sets_say_is_told_for_each_degradation(small_photographs):
    rows = reading.rows("x4", small_photographs, 4)
    assert [row[:2] for row in rows] == [["x4", name] for name in classical.names]
    for row in rows:
        assert 0 <= int(row[2]) <= 16
        assert all(-1 <= float(rank) <= 1 for rank in row[3:5])
        assert 0 <= float(row[5]) <= 1


def test_a_set_that_names_other_degradations_is_refused(small_photographs):
    with pytest.raises(SystemExit, match="x4_real does not name the degradations blur, aniso"):
        reading.rows("x4_real", small_photographs, 1)


def test_targets_are_photographs_and_what_a_teacher_makes_of_them(
    small_photographs, tmp_path, compose
):
    teacher = Upscaler.from_pretrained("x4", self_ensemble=True)
    given = Path(shutil.copytree(small_photographs, tmp_path / "given"))
    (given / "broken.png").write_bytes(b"no picture")
    errors = targets.write(given, tmp_path / "taught", teacher, 0.7, [0.5])
    assert [error.path.name for error in errors] == ["broken.png"]
    alone = tmp_path / "alone"
    targets.write(given, alone, None, 0.7, [0.5])
    names = sorted(path.name for path in (alone / "HR").iterdir())
    assert len(names) == 2 * len(find_images(small_photographs))
    for name in names:
        hr, lr = read_image(alone / "HR" / name), read_image(alone / "LR" / name)
        np.testing.assert_array_equal(lr, bicubic_downscale(hr, 4))
        np.testing.assert_array_equal(lr, read_image(tmp_path / "taught" / "LR" / name))
        expected = 0.3 * hr + 0.7 * np.asarray(teacher(lr), dtype=np.float64)
        found = read_image(tmp_path / "taught" / "HR" / name)
        np.testing.assert_allclose(found, expected, atol=0.5 + 1e-9)
    cfg = compose("train", "dataset=pairs", f"dataset.root={tmp_path}/taught", "dataset.holdout=1")
    files = photographs.dataset(cfg)
    assert len(files.train) == len(names) - 1


def test_ranks_are_compared_where_there_is_a_degradation():
    done = np.array([[0, 0.1], [0.2, 0.2], [0.4, 0.3], [0.9, 0.4]])
    said = np.array([[9, 4], [0, 3], [1, 2], [5, 1]])
    (count, same), (all_of_them, reversed_order) = rank_correlations(said, done)
    assert (count, all_of_them) == (3, 4)
    assert (same, reversed_order) == pytest.approx((1, -1))
