"""Real sweeps of a few steps: how they end, go on and share their stage 1."""

import csv
import json
import re
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from mtlsr.runs.command import execute
from mtlsr.runs.manifest import describe
from mtlsr.runs.schema import plain
from mtlsr.runs.stopping import Interrupted
from mtlsr.stages.restoration import RestorationStage
from mtlsr.sweeps import sharing
from mtlsr.train import around, check, job
from tests.conftest import QUICK
from tests.runs.test_guard import broken
from tests.runs.test_resuming import Died
from tests.runs.test_signals import asked_at
from tests.same_runs import logged
from tests.sweeps.killed import run_undisturbed_and_killed, stopped_side_by_side

LOGGED = "trainer.log_every=1"


def arguments(cache: Path, photographs: Path) -> list[str]:
    data = ["dataset=folder", f"dataset.root={photographs}", "dataset.holdout=1"]
    return [*QUICK, *data, f"cache={cache}", "logger=csv", "hydra.sweep.dir=sweep"]


@pytest.fixture
def train(monkeypatch, capfd, tmp_path, cache, small_photographs):
    """Call `mtlsr.train` here; return its exit code, and what it said to both outputs."""

    def call(*overrides: str, work=job, sweep: bool = True) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        given = [*arguments(cache, small_photographs), *overrides]
        monkeypatch.setattr(sys, "argv", ["mtlsr.train", *(["-m"] if sweep else []), *given])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        code = 0
        try:
            execute("train", work, check, around)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return call


def test_a_sweep_ends_with_its_leaderboard(train, tmp_path):
    code, said, _ = train("loss.lambda2=0.1,0.5")
    assert code == 0
    assert "folder-val, PSNR-Y: loss.lambda2=0." in said
    assert (tmp_path / "sweep" / "sweep.csv").is_file()
    assert not list(tmp_path.rglob("error.txt"))


def test_a_failed_job_is_named_the_others_go_on_and_the_exit_code_is_one(train, tmp_path):
    def sometimes(cfg):
        if cfg.loss.lambda2 == 0.1:
            raise RuntimeError("CUDA out of memory")
        return job(cfg)

    code, said, error = train("loss.lambda2=0.1,0.5", work=sometimes)
    assert code == 1
    assert "Job 0 failed: RuntimeError: CUDA out of memory" in said
    assert "loss.lambda2=0.5 alone has figures" in said
    assert "Traceback" in error
    assert (tmp_path / "sweep" / "0" / "error.txt").read_text().endswith("out of memory\n")
    assert (tmp_path / "sweep" / "1" / "results.json").is_file()


def test_data_nan_and_memory_fail_three_jobs_and_the_fourth_ends(train, tmp_path):
    original = RestorationStage.evaluate_terms

    def too_large(self, batch, everything=True):
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return original(self, batch, everything)

    def work(cfg):
        if cfg.loss.lambda2 == 0.1:
            cfg.dataset.root = str(tmp_path / "gone")
        with ExitStack() as stack:
            if cfg.loss.lambda2 == 0.2:
                stack.enter_context(broken("value", 2))
            if cfg.loss.lambda2 == 0.3:
                stack.enter_context(patch.object(RestorationStage, "evaluate_terms", too_large))
            return job(cfg)

    code, said, error = train("loss.lambda2=0.1,0.2,0.3,0.4", work=work)
    assert code == 1
    assert "Traceback" not in error
    reasons = dict(re.findall(r"Job (\d) failed: (.*)", said))
    assert list(reasons) == ["0", "1", "2"]
    assert "gone" in reasons["0"]
    assert "the loss is nan" in reasons["1"]
    assert reasons["2"].startswith("schedule.restoration.batch is 2, and memory is too small")
    assert "loss.lambda2=0.4 alone has figures" in said
    assert (tmp_path / "sweep" / "3" / "results.json").is_file()


def test_a_value_that_cannot_be_composed_refuses_the_sweep_before_its_first_job(train, tmp_path):
    code, said, error = train("schedule.restoration.steps=8,many")
    assert (code, said) == (1, "")
    assert error.startswith("mtlsr: ") and "many" in error
    assert not (tmp_path / "sweep").exists()


def test_ctrl_c_ends_the_sweep_and_not_only_the_job(train, tmp_path):
    def stopped(cfg):
        raise Interrupted("Stopped after step 3.")

    code, said, error = train("loss.lambda2=0.1,0.5,0.7", work=stopped)
    assert code == 128 + signal.SIGINT
    assert "Unfinished: job 0." in said
    assert "Not started: jobs 1, 2." in said
    assert error.strip() == "Stopped after step 3."
    assert not (tmp_path / "sweep" / "1").exists()


def test_a_value_that_cannot_be_used_refuses_the_sweep_before_its_first_job(train, tmp_path):
    code, said, error = train("loss.lambda2=0.1,-1")
    assert (code, said) == (1, "")
    assert error.startswith("mtlsr: loss.lambda2 is -1.0")
    assert not (tmp_path / "sweep").exists()


def figures(sweep: Path) -> dict[str, bytes]:
    """What each job found out, to the last digit."""
    return {path.parent.name: path.read_bytes() for path in sweep.glob("*/results.json")}


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["sweep.baseline=loss.lambda2=0.3"], "baseline is 'loss.lambda2=0.3', which means 0 of"),
        (["sweep.baseline=2"], "baseline is '2', which means 0 of these: loss.lambda2=0.1; "),
        (["sweep.metrics=[psnr_y,beauty]"], "beauty"),
        (["sweep.metrics=[psnr_y,lpips]"], "sweep.metrics holds lpips; a training measures"),
        (["loss.lambda3=shuffle(1,2)"], "loss.lambda3=shuffle(1,2) has another order each time"),
        (["loss.lambda3=range(1,0)"], "loss.lambda3=range(1,0) has no values"),
        (["loss.lambda3=interval(0,1)"], "BasicSweeper does not support sweep type : INTERVAL"),
        (["sweep.stage1=a_file"], "a_file' cannot be written (Not a directory); jobs share their"),
        (["sweep.stage1=a_file/new"], "a_file' cannot be written (Not a directory); jobs share"),
    ],
)
def test_what_cannot_be_reported_refuses_the_sweep_before_its_first_job(
    train, tmp_path, overrides, said
):
    (tmp_path / "a_file").touch()
    code, _, error = train("loss.lambda2=0.1,0.5", *overrides)
    assert code == 1
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "sweep").exists()


def test_jobs_share_a_stage_1_and_end_with_the_bits_of_their_own(train, tmp_path):
    code, *_ = train("loss.lambda2=0.1,0.5", "seed=0,1", LOGGED)
    assert code == 0
    sweep = tmp_path / "sweep"
    lineage = [manifest(sweep / str(number))["stage1"] for number in range(4)]
    assert [each["trained_by"][-1] for each in lineage] == ["0", "1", "0", "1"]
    assert len({each["key"] for each in lineage}) == 2
    assert [each["seed"] for each in lineage] == [0, 1, 0, 1]
    for number, seed in ((0, 0), (2, 0), (3, 1)):
        shutil.rmtree(tmp_path / "outputs", ignore_errors=True)
        given = [f"loss.lambda2={0.1 if number == 0 else 0.5}", f"seed={seed}"]
        assert train(*given, LOGGED, sweep=False)[0] == 0
        (alone,) = (tmp_path / "outputs" / "train").iterdir()
        assert "stage1" not in manifest(alone)
        for name in ("results.json", "per_image.csv", "terms.json"):
            assert (alone / name).read_bytes() == (sweep / str(number) / name).read_bytes()
        ours, theirs = (
            load_file(f / "model" / "model.safetensors") for f in (sweep / str(number), alone)
        )
        assert all((ours[name] == value).all() for name, value in theirs.items())
        columns = "realism/loss", "restoration/loss"
        for column in columns:
            curves = []
            for folder in (alone, sweep / str(number)):
                with (folder / "metrics.csv").open(newline="") as file:
                    rows = [(r["step"], r[column]) for r in csv.DictReader(file) if r[column]]
                curves.append([(step, float(value)) for step, value in rows])
            assert curves[0] == curves[1] and curves[0]


@pytest.mark.parametrize(
    "swept", ["schedule.realism.steps=4,5", "degradation.realism.clean_probability=0.1,0.2"]
)
def test_another_stage_1_is_never_shared(train, tmp_path, swept):
    assert train(swept)[0] == 0
    keys = [manifest(tmp_path / "sweep" / str(number))["stage1"]["key"] for number in range(2)]
    assert len(set(keys)) == 2


def test_what_weighs_stage_2_alone_leaves_stage_1_shared(train, tmp_path):
    changed = ["loss.lambda1=0.9", "loss.lambda2=0.3", "loss.lambda3=0.7", "loss.lambda4=2"]
    changed += ["loss.smoothness.output=0.8", "loss.smoothness.luma=0.3"]
    changed += ["loss.smoothness.reconstruction=0.2", "loss.smoothness.consistency=0.3"]
    changed += ["loss.realism.statistic=mean_std", "loss.realism.average=0.9"]
    changed += ["loss.realism.window=16", "loss.realism.start=0.1", "loss.structure.map=0.5"]
    changed += ["freeze_realism=true", "schedule.restoration.lr=0.0003"]
    shelf = f"sweep.stage1={tmp_path}/shelf"
    assert train(shelf)[0] == 0
    (tmp_path / "sweep").rename(tmp_path / "default")
    assert train(shelf, *changed)[0] == 0
    lineage = manifest(tmp_path / "sweep" / "0")["stage1"]
    assert lineage["trained_by"].endswith("sweep/0")
    assert lineage["key"] == manifest(tmp_path / "default" / "0")["stage1"]["key"]
    assert len(list((tmp_path / "shelf").glob("*/stage1.json"))) == 1
    assert train(*changed, "hydra.run.dir=alone", sweep=False)[0] == 0
    theirs, ours = (
        load_file(tmp_path / run / "model" / "model.safetensors") for run in ("alone", "sweep/0")
    )
    assert all((ours[name] == value).all() for name, value in theirs.items())


def test_no_jobs_at_a_time_are_refused_before_the_first(train, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    given = "hydra/launcher=joblib", "hydra.launcher.n_jobs=0"
    code, said, error = train("loss.lambda2=0.1,0.5", *given)
    assert (code, said) == (1, "")
    assert error.startswith("mtlsr: hydra.launcher.n_jobs is 0; it must be")
    assert not (tmp_path / "sweep").exists()


def test_a_damaged_stage_1_is_trained_again(train, tmp_path):
    shelf = f"sweep.stage1={tmp_path}/shelf"
    assert train("loss.lambda2=0.1", shelf)[0] == 0
    (path,) = (tmp_path / "shelf").glob("*/checkpoints/last.ckpt")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    shutil.rmtree(tmp_path / "sweep")
    assert train("loss.lambda2=0.5", shelf)[0] == 0
    assert manifest(tmp_path / "sweep" / "0")["stage1"]["trained_by"].endswith("sweep/0")
    assert path.stat().st_size == len(whole)
    # And the next sweep takes it from the shelf.
    (tmp_path / "sweep").rename(tmp_path / "earlier")
    assert train("loss.lambda2=0.7", shelf)[0] == 0
    assert manifest(tmp_path / "sweep" / "0")["seconds"]["realism"] < 1


def test_a_job_that_dies_while_it_takes_a_stage_1_takes_it_again(train, tmp_path):
    original = shutil.copytree

    def dying(source, target, **options):
        if "sweep/1" not in str(target):
            return original(source, target, **options)
        Path(target).mkdir(parents=True)
        shutil.copy(Path(source, "best.ckpt"), target)
        raise Died

    with patch("mtlsr.sweeps.sharing.shutil.copytree", dying), pytest.raises(Died):
        train("loss.lambda2=0.1,0.5", LOGGED)
    assert train("loss.lambda2=0.1,0.5", LOGGED, "sweep.resume=sweep")[0] == 0
    rows = [logged(tmp_path / "sweep" / number) for number in "01"]
    steps = [[row["step"] for row in job if row["realism/loss"]] for job in rows]
    assert steps[0] == steps[1] == ["0", "1", "2", "3"]
    assert not list(tmp_path.rglob(".*.tmp"))


def test_a_job_that_dies_after_it_took_a_stage_1_still_knows_whose_it_is(train, tmp_path):
    original = sharing._copy

    def dying(source, target):
        original(source, target)
        if "sweep/1" in str(target):
            raise Died

    with patch("mtlsr.sweeps.sharing._copy", dying), pytest.raises(Died):
        train("loss.lambda2=0.1,0.5", LOGGED)
    assert train("loss.lambda2=0.1,0.5", LOGGED, "sweep.resume=sweep")[0] == 0
    lineage = [manifest(tmp_path / "sweep" / number)["stage1"] for number in "01"]
    assert [each["trained_by"][-1] for each in lineage] == ["0", "0"]
    assert lineage[0]["seconds"] == lineage[1]["seconds"] > 0


def test_a_sweep_goes_on_with_what_is_missing_or_failed(train, tmp_path):
    command = ["loss.lambda2=0.1,0.5,0.7", "seed=0,1"]
    assert train(*command)[0] == 0
    undisturbed = figures(tmp_path / "sweep")
    (tmp_path / "sweep").rename(tmp_path / "undisturbed")

    def disturbed(cfg):
        if cfg.loss.lambda2 == 0.1 and cfg.seed == 1:
            raise ValueError("the sky fell")
        if cfg.loss.lambda2 == 0.7:
            raise Interrupted("Stopped.")
        return job(cfg)

    code, _, error = train(*command, work=disturbed)
    assert code == 130
    assert sorted(figures(tmp_path / "sweep")) == ["0", "2", "3"]
    before = {
        name: path.stat().st_mtime
        for name in "023"
        if (path := tmp_path / "sweep" / name / "results.json")
    }

    code, said, error = train(*command, "sweep.resume=sweep")
    assert (code, error) == (0, "")
    assert said.count("Done already: ") == 3
    assert figures(tmp_path / "sweep") == undisturbed
    assert all(
        (tmp_path / "sweep" / n / "results.json").stat().st_mtime == t for n, t in before.items()
    )
    assert not list((tmp_path / "sweep").rglob("error.txt"))


def test_an_incomplete_sweep_says_how_to_go_on(train):
    def failing(cfg):
        raise ValueError("the sky fell")

    code, _, error = train("seed=0,1", work=failing)
    assert code == 1
    assert error.strip().splitlines()[-1] == (
        "mtlsr: 2 of 2 jobs are not done. The same command goes on with them: sweep.resume=sweep"
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["loss.lambda2=0.1,0.7"], "it has loss.lambda2=0.5 where this has loss.lambda2=0.7"),
        (
            ["loss.lambda2=0.1,0.5", "loss.lambda3=0"],
            "it has nothing where this has loss.lambda3=0",
        ),
        (["loss.lambda2=0.1,0.5,0.7"], "the sweep of another command: it has 2 jobs, and this 3"),
    ],
)
def test_another_command_is_not_mixed_in(train, tmp_path, given, said):
    def failing(cfg):
        raise ValueError("the sky fell")

    assert train("loss.lambda2=0.1,0.5", work=failing)[0] == 1
    before = sorted(tmp_path.rglob("*"))
    code, _, error = train(*given, "sweep.resume=sweep")
    assert code == 1
    assert said in error
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_another_command_takes_no_new_sweep(train, tmp_path):
    def failing(cfg):
        raise ValueError("the sky fell")

    assert train("loss.lambda2=0.1,0.5", work=failing)[0] == 1
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")}
    code, _, error = train("loss.lambda2=5,50")
    assert code == 1
    assert "hydra.sweep.dir is 'sweep', the sweep of another command: it has loss.l" in error
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.yaml")} == before


def test_what_changes_no_figure_may_change_when_a_sweep_goes_on(train):
    def failing(cfg):
        raise ValueError("the sky fell")

    assert train("loss.lambda2=0.1", work=failing)[0] == 1
    given = ["loss.lambda2=0.1", "sweep.resume=sweep"]
    _, _, error = train(*given, "trainer.progress=true", "hydra.verbose=false", work=failing)
    assert "another command" not in error


def test_a_sweep_that_was_begun_by_other_files_of_conf_is_refused_and_stays(train, tmp_path):
    assert train("loss.lambda2=0.1,0.5")[0] == 0
    path = tmp_path / "sweep" / "1" / "manifest.json"
    stored = json.loads(path.read_text())
    stored["config"]["loss"]["lambda1"] = 3.0
    path.write_text(json.dumps(stored))

    def content():
        return {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    before = content()
    code, said, error = train("loss.lambda2=0.1,0.5", "sweep.resume=sweep")
    assert (code, said) == (1, "")
    assert "sweep/1 was begun with loss.lambda1=3.0; now it is 1.0" in error
    assert content() == before
    # And alone it goes on, by what it was begun with.
    assert train("resume=sweep/1", sweep=False)[0] == 0


def test_jobs_are_done_without_figures_where_nothing_is_held_out(train, tmp_path):
    given = ["loss.lambda2=0.1,0.5", "dataset.holdout=0"]
    assert train(*given)[0] == 0
    code, said, _ = train(*given, "sweep.resume=sweep")
    assert (code, said.count("Done already: ")) == (0, 2)


def test_a_job_that_has_lost_a_file_is_mended(train, tmp_path):
    assert train("loss.lambda2=0.1,0.5")[0] == 0
    path = tmp_path / "sweep" / "1" / "per_image.csv"
    whole = path.read_bytes()
    path.unlink()
    code, said, _ = train("loss.lambda2=0.1,0.5", "sweep.resume=sweep")
    assert (code, said.count("Done already: ")) == (0, 1)
    assert path.read_bytes() == whole


def test_files_of_a_group_can_be_swept(train):
    names = []

    def noted(cfg):
        names.append(cfg.loss.adversarial.weight)
        raise ValueError("the sky fell")

    code, said, _ = train("loss=glob([de*,adv*])", work=noted)
    assert code == 1 and "Job 1 failed" in said
    assert names == [0.002, 0.0]


def test_a_sweep_goes_on_whatever_the_order_of_its_overrides_but_not_of_its_jobs(train):
    def nothing(cfg):
        raise ValueError("the sky fell")

    train("seed=0,1", "loss.lambda2=0.5", work=nothing)
    code, said, _ = train("loss.lambda2=0.5", "seed=0,1", "sweep.resume=sweep", work=nothing)
    assert (code, "Job 0 failed" in said) == (1, True)
    code, _, error = train("loss.lambda2=0.5", "seed=1,0", "sweep.resume=sweep", work=nothing)
    assert (code, "whose jobs these are in another order" in error) == (1, True)


def test_one_run_is_nothing_that_a_sweep_goes_on_with(train, tmp_path):
    code, _, error = train("resume=sweep/0", "seed=0,1")
    assert code == 1
    assert "resume is 'sweep/0', one run, and -m begins several; a sweep goes on by" in error
    assert not (tmp_path / "sweep").exists()


def test_overrides_beside_resume_are_refused_where_they_would_be_lost(train, tmp_path):
    given = ["experiment=joint", "hydra.run.dir=run"]
    assert train(*given, sweep=False)[0] == 0
    code, _, error = train("resume=run", "loss.lambda3=9", sweep=False)
    assert code == 1
    assert "loss.lambda3=9 would change nothing: run was begun with loss.lambda3=1.0 and" in error
    code, _, error = train("resume=run", "experiment=frozen", sweep=False)
    assert (code, "experiment=frozen would change nothing" in error) == (1, True)
    assert train("resume=run", "experiment=joint", "loss.lambda3=1", sweep=False)[0] == 0


def test_overrides_beside_resume_auto_would_be_lost_too(train, tmp_path):
    given = "stages=[realism]", "hydra.run.dir=run"
    assert train(*given, "resume=auto", sweep=False)[0] == 0
    composed = (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text()
    code, _, error = train(*given, "resume=auto", "seed=5", sweep=False)
    assert code == 1
    assert "seed=5 would change nothing: " in error and "was begun with seed=0" in error
    code, _, error = train(*given, "seed=5", sweep=False)
    assert code == 1
    assert "'run' holds a training already; go on with it by resume=run" in error
    assert (tmp_path / "run" / ".hydra" / "overrides.yaml").read_text() == composed
    assert train(*given, "resume=auto", sweep=False)[0] == 0


def test_two_processes_are_never_at_work_in_one_folder(train, tmp_path):
    for place, given in (("sweep", "seed=0,1"), ("sweep/1", "seed=0,1")):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        unfinished = tmp_path / place / ".last.ckpt.7.tmp"  # of the other process
        unfinished.touch()
        with FileLock(tmp_path / place / ".lock"):
            code, said, error = train(given)
        assert code == 1
        assert re.search(f"Another process is at work in '[^']*{place}'", said + error)
        assert unfinished.exists()
    assert (tmp_path / "sweep" / "0" / "results.json").is_file()
    assert not (tmp_path / "sweep" / "1" / "results.json").exists()
    assert train("seed=0,1", "sweep.resume=sweep")[0] == 0
    written = (tmp_path / "sweep" / "sweep.csv").stat().st_mtime_ns
    with FileLock(tmp_path / "sweep" / ".lock"):
        assert train("seed=0,1", "sweep.resume=sweep")[0] == 1
    assert (tmp_path / "sweep" / "sweep.csv").stat().st_mtime_ns == written


def test_a_try_that_was_refused_in_the_meantime_does_not_make_a_job_a_failed_one(train, tmp_path):
    error = tmp_path / "sweep" / "0" / "error.txt"
    with patch("mtlsr.runs.publishing.advise", lambda cfg, folder: error.touch()):
        assert train("seed=0")[0] == 0
    assert not error.exists()


def test_a_job_that_the_launcher_loses_is_said_in_a_line(train):
    launch = "hydra._internal.core_plugins.basic_launcher.BasicLauncher.launch"
    with patch(launch, side_effect=RuntimeError("A process was killed.\nBy the system.")):
        code, _, error = train("seed=0,1")
    assert code == 1
    assert error.startswith("mtlsr: The launcher lost a job (RuntimeError: A process was killed.;")
    assert error.count("\n") == 1


def test_a_stage_1_that_two_codes_trained_is_nobody_elses(train, tmp_path, monkeypatch):
    given = "loss.lambda2=0.1,0.5", LOGGED
    with asked_at(2, signal.SIGTERM):
        assert train(*given)[0] == 143
    own = manifest(tmp_path / "sweep" / "0")
    assert own["stage1"]["key"] is not None
    monkeypatch.setattr("mtlsr.runs.manifest.commit", lambda: "another")
    code, said, _ = train(*given, "sweep.resume=sweep")
    assert code == 0
    commits = ", ".join(sorted(["another", own["commit"]]))
    assert f"The jobs ran different code: commits {commits}." in said
    first, second = (manifest(tmp_path / "sweep" / number) for number in "01")
    assert first["started"] == own["started"]
    assert [part["commit"] for part in first["parts"]] == [own["commit"]]
    assert first["stage1"]["key"] is None
    assert second["stage1"]["trained_by"].endswith("sweep/1")
    assert (tmp_path / "sweep" / "stage1" / second["stage1"]["key"] / "stage1.json").is_file()


def test_weights_that_stage_1_begins_with_count_by_their_content(compose, tiny_model, tmp_path):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    values = describe({}) | {"data": "", "config": plain(compose("train", f"init={model}"))}
    before = sharing.key(SimpleNamespace(values=values))
    moved = shutil.copytree(model, tmp_path / "moved")
    values["config"]["init"] = str(moved)
    assert sharing.key(SimpleNamespace(values=values)) == before
    with (moved / "model.safetensors").open("ab") as file:
        file.write(b" ")
    assert sharing.key(SimpleNamespace(values=values)) != before
    assert not list(tmp_path.rglob(".lock"))


def test_going_on_without_a_sweep_is_refused(train, tmp_path):
    code, _, error = train("seed=0", "sweep.resume=nowhere")
    assert code == 1
    assert "sweep.resume is 'nowhere', which is no sweep: no multirun.yaml." in error
    code, _, error = train("seed=0", "sweep.resume=sweep", sweep=False)
    assert (code, "this is no sweep: -m is missing" in error) == (1, True)


@pytest.mark.slow
def test_a_sweep_that_was_killed_ends_with_the_same_figures(tmp_path, cache, small_photographs):
    given = [*arguments(cache, small_photographs), "loss.lambda2=0.1,0.5", "seed=0,1,2"]
    given += ["schedule.restoration.steps=40", "trainer.threads=1"]
    command, begun = ["mtlsr.train", "-m", *given], "sweep/3/checkpoints"
    places = run_undisturbed_and_killed(tmp_path, command, begun, "sweep.resume=sweep")
    found = [figures(place / "sweep") for place in places]
    assert len(found[0]) == 6
    assert found[0] == found[1]
    keys = [[manifest(p / "sweep" / str(n))["stage1"]["key"] for n in range(6)] for p in places]
    assert keys[0] == keys[1] and keys[0][:3] == keys[0][3:] and len(set(keys[0])) == 3
    shelves = [list((place / "sweep" / "stage1").glob("*/stage1.json")) for place in places]
    assert [len(shelf) for shelf in shelves] == [3, 3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_jobs_side_by_side_end_in_their_way_when_they_are_asked_to(
    tmp_path, cache, small_photographs, number
):
    """Ctrl-C reaches the jobs, too; SIGTERM reaches the sweep alone."""
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    given = ["-m", "loss.lambda2=0.1,0.5,0.7", *arguments(cache, small_photographs)]
    given += ["hydra/launcher=joblib", "hydra.launcher.n_jobs=2", LOGGED]
    given += ["schedule.restoration.steps=100000", "schedule.restoration.validations=0"]
    runs = [tmp_path / "sweep" / name for name in "01"]
    code, said = stopped_side_by_side(tmp_path, ["mtlsr.train", *given], runs, number)
    assert code == 128 + number
    assert "Traceback" not in said
    assert "Warning" not in said
    assert "Ctrl-C again ends them now." in said
    assert not (tmp_path / "sweep" / "2" / "manifest.json").exists()
    assert (tmp_path / "sweep" / "sweep.csv").is_file()
