"""Searches of a few trials: what they choose, how they end, go on and prune."""

import csv
import json
import shlex
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import hydra
import optuna
import pytest
from filelock import FileLock
from omegaconf import OmegaConf
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial

from mtlsr.runs.command import conf_folder, execute
from mtlsr.runs.pruning import Pruned, Pruning
from mtlsr.runs.schema import plain, register
from mtlsr.runs.stopping import Interrupted
from mtlsr.runs.training import MONITORED
from mtlsr.search import check, run
from mtlsr.sweeps.jobs import collect
from mtlsr.sweeps.page.search import BEST, drawn
from mtlsr.sweeps.search import trials
from mtlsr.sweeps.search.space import space
from mtlsr.sweeps.search.words import best
from tests.conftest import QUICK
from tests.sweeps.killed import run_undisturbed_and_killed, stopped_side_by_side
from tests.sweeps.made import write_sweep


def arguments(cache: Path, photographs: Path, *more: str) -> list[str]:
    data = ["dataset=folder", f"dataset.root={photographs}", "dataset.holdout=1"]
    own = ["hydra.run.dir=search", "search.random=2", "search.whole=2"]
    return [*QUICK, *data, f"cache={cache}", "logger=csv", *own, *more]


@pytest.fixture
def search(monkeypatch, capfd, tmp_path, cache, small_photographs):
    """Call `mtlsr.search` here; return its exit code, and what it said to both outputs."""

    def call(*overrides: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        given = arguments(cache, small_photographs, *overrides)
        monkeypatch.setattr(sys, "argv", ["mtlsr.search", *given])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
        code = 0
        try:
            execute("search", run, check)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def made_up(monkeypatch):
    """Jobs that train nothing: their PSNR-Y falls with the distance of λ2 to 0.1."""

    def train(cfg, watching=()):
        folder = Path(cfg.folder)
        values = {"status": "done", "config": {"seed": 0, "loss": plain(cfg.loss)}, "seconds": {}}
        (folder / "manifest.json").write_text(json.dumps(values))
        reached = 30 - abs(cfg.loss.lambda2 - 0.1)
        with (folder / "metrics.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["step", "restoration/val/psnr_y"], [1, 20], [2, reached]])
        terms = {"set": {"realism": 9.0}, "set-val": {"realism": 1 / cfg.loss.lambda2}}
        (folder / "terms.json").write_text(json.dumps(terms))

    monkeypatch.setattr("mtlsr.train.job", train)
    return train


def study(folder: Path) -> optuna.Study:
    return trials.stored(folder)


def values(folder: Path) -> list[tuple[dict, object]]:
    return [(trial.params, trial.values) for trial in study(folder).trials]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("search.objectives=[speed]", "search.objectives is ['speed']; it holds one or more of"),
        ("search.trials=0", "search.trials is 0"),
        ("search.space.loss.lambda2.low=-1", "search.space.loss.lambda2 is"),
        ("+search.space.loss.lambda9={low: 0, high: 1}", "lambda9"),
        ("+search.space.scale={choices: [2, 7]}", "scale"),
        ("schedule.restoration.validations=0", "A search needs stage 2 and its validations"),
        ("dataset.holdout=0", "A search needs photographs that are held out"),
        ("trainer.devices=2", "trainer.devices is 2; in a search it must be 1."),
        ("sweep.baseline=loss.lambda2=7", "sweep.baseline is 'loss.lambda2=7'; of a search's"),
        ("sweep.metrics=[lpips]", "sweep.metrics holds lpips; a training measures psnr_y"),
    ],
)
def test_a_search_that_cannot_begin_is_refused_before_anything_is_written(
    search, tmp_path, given, said
):
    code, out, error = search(given)
    assert (code, out) == (1, "")
    assert error.startswith("mtlsr: ") and said in error
    assert not (tmp_path / "search").exists()


def test_only_a_search_is_gone_on_with_and_none_begins_in_a_sweep(search, made_up, tmp_path):
    write_sweep(tmp_path / "search", "loss.lambda2=0.1,0.5")
    for folder in ("search", "nowhere"):
        code, _, error = search("search.trials=2", f"search.resume={folder}")
        assert code == 1
        assert f"search.resume is '{folder}', which is no search: no study.db." in error
    code, _, error = search("search.trials=2")
    assert (code, "holds a sweep; a search needs a folder of its own" in error) == (1, True)
    assert [path.name for path in (tmp_path / "search").iterdir() if path.suffix == ".db"] == []
    assert not (tmp_path / "nowhere").exists()


def test_a_search_is_not_gone_on_with_under_other_values(search, made_up, tmp_path):
    assert search("search.trials=2")[0] == 0
    found = study(tmp_path / "search")
    config = found.user_attrs[trials.CONFIG]
    found.set_user_attr(trials.CONFIG, {**config, "scale": 3})
    code, _, error = search("search.trials=3", "search.resume=search")
    assert code == 1
    assert "search was begun with scale=3; now it is 4. A new search is needed." in error
    found.set_user_attr(trials.CONFIG, config)
    assert search("search.trials=3", "search.resume=search")[0] == 0


def test_trials_that_were_begun_together_go_on_together(tmp_path):
    found = optuna.create_study()
    for _ in range(7):
        found.ask()
    for number in (0, 3):
        found.tell(number, 1.0)
    groups = [[trial.number for trial in each] for each in trials.unfinished(found, 2)]
    assert groups == [[1, 2], [4, 5], [6]]


def test_two_searches_are_never_at_work_in_one_folder(search, made_up, tmp_path):
    assert search("search.trials=1")[0] == 0
    before = (tmp_path / "search" / "study.db").read_bytes()
    with FileLock(tmp_path / "search" / ".lock"):
        code, _, error = search("search.trials=2", "search.resume=search")
    assert code == 1
    assert f"Another process is at work in '{tmp_path / 'search'}'" in error
    assert (tmp_path / "search" / "study.db").read_bytes() == before


def test_trials_side_by_side_end_in_their_way_when_they_are_asked_to(
    tmp_path, cache, small_photographs
):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    given = ["search.trials=2", "search.parallel=2", "hydra/launcher=joblib"]
    given += ["hydra.launcher.n_jobs=2", "trainer.log_every=1"]
    given += ["schedule.restoration.steps=100000", "search.pruning=false"]
    command = ["mtlsr.search", *arguments(cache, small_photographs, *given)]
    runs = [tmp_path / "search" / name for name in "01"]
    code, said = stopped_side_by_side(tmp_path, command, runs, signal.SIGINT)
    assert code == 130
    assert "The same command goes on with it: search.resume=" in said
    assert len(trials.unfinished(study(tmp_path / "search"), 2)) == 1


def test_a_search_ends_with_the_command_of_the_best_trial(search, made_up, tmp_path):
    code, said, error = search("search.trials=4", "~search.space.loss.lambda1")
    assert (code, error) == (0, "")
    found = study(tmp_path / "search")
    assert [trial.state for trial in found.trials] == [TrialState.COMPLETE] * 4
    assert found.trials[0].params == {
        "loss.lambda2": 0.1,
        "loss.lambda3": 1.0,
        "loss.lambda4": 1.0,
    }
    assert "4 trials: 4 whole." in said
    assert "Best is trial 0, PSNR-Y 30 dB:\n  python -m mtlsr.train schedule=quick" in said
    assert said.rstrip().endswith("loss.lambda2=0.1 loss.lambda3=1.0 loss.lambda4=1.0")
    assert all(len(str(trial.params["loss.lambda2"])) < 9 for trial in found.trials)


def test_a_search_that_goes_on_chooses_what_one_without_a_stop_would(
    search, made_up, tmp_path, monkeypatch
):
    assert search("search.trials=5")[0] == 0
    (tmp_path / "search").rename(tmp_path / "undisturbed")

    def stopped(cfg, watching=()):
        if cfg.folder.endswith("3"):
            raise Interrupted("Stopped.")
        return made_up(cfg)

    monkeypatch.setattr("mtlsr.train.job", stopped)
    code, said, _ = search("search.trials=5")
    assert code == 130
    assert "3 trials: 3 whole." in said
    monkeypatch.setattr("mtlsr.train.job", made_up)
    code, said, error = search("search.trials=5", "search.resume=search")
    assert (code, error) == (0, "")
    assert "5 trials: 5 whole." in said
    assert values(tmp_path / "search") == values(tmp_path / "undisturbed")
    # More trials are the same search; other values are not.
    assert search("search.trials=6", "search.resume=search")[0] == 0
    assert len(study(tmp_path / "search").trials) == 6
    code, _, error = search("search.trials=6", "search.resume=search", "seed=1")
    assert code == 1 and "the search of another command" in error


def test_a_failed_trial_is_told_and_the_others_go_on(search, made_up, tmp_path, monkeypatch):
    def failing(cfg, watching=()):
        if cfg.folder.endswith("1"):
            raise RuntimeError("out of memory")
        return made_up(cfg)

    monkeypatch.setattr("mtlsr.train.job", failing)
    code, said, error = search("search.trials=3")
    assert code == 1
    assert "3 trials: 2 whole, 1 failed." in said
    assert "Job 1 failed: RuntimeError: out of memory" in said
    assert "1 of 3 trials failed" in error
    assert (tmp_path / "search" / "1" / "error.txt").is_file()


def test_several_objectives_end_with_the_trials_that_no_other_one_beats(search, made_up, tmp_path):
    code, said, _ = search("search.objectives=[psnr_y,gram]", "search.trials=4")
    assert code == 0
    found = study(tmp_path / "search")
    assert [each.name for each in found.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert said.count("None beats trial ") == len(found.best_trials)
    assert all(t.values[1] == 1 / t.params["loss.lambda2"] for t in found.trials)
    text = (tmp_path / "search" / "report.html").read_text()
    figures = [figure for *_, figure in drawn([tmp_path / "search"])]
    assert figures and all(figure.layout.width is None for figure in figures)  # the page's
    blue = [len(trace.x) for trace in figures[0].data if trace.marker.color == BEST]
    assert blue == [len(found.best_trials)]
    assert "Trials that no other one beats" in text and "Which value matters · Gram" in text


def test_what_matters_is_what_makes_a_trial_good_with_several_objectives_too(tmp_path):
    """As Optuna itself says where PSNR-Y is the only objective."""
    spread = optuna.distributions.FloatDistribution(0, 1)
    shares = []
    for several in (False, True):
        folder = tmp_path / f"{several}"
        folder.mkdir()
        found = optuna.create_study(
            storage=trials.address(folder), directions=["maximize", "minimize"][: 1 + several]
        )
        found.set_user_attr(trials.NAMES, ["PSNR-Y", "Gram distance"][: 1 + several])
        for number in range(40):
            # One value decides whether a trial is good, the other how bad a bad one is.
            first, second = number / 40, number * 7 % 40 / 40
            score = 30.0 if first > 0.8 else 20 - second
            values = [score, 1.0] if several else [score]
            names = {"first": first, "second": second}
            found.add_trial(
                create_trial(
                    params=names, distributions=dict.fromkeys(names, spread), values=values
                )
            )
        bars = next(figure for title, _, figure in drawn([folder]) if "matters" in title).data[0]
        shares.append(dict(zip(bars.y, bars.x, strict=True)))
    assert shares[1] == pytest.approx(shares[0])
    assert shares[0]["first"] > 0.9


def test_a_real_search_prunes_and_goes_on_with_a_trial_that_was_stopped(
    search, tmp_path, monkeypatch
):
    """Trial 2 is stopped; trial 3 is never better than the others."""
    given = ["search.trials=4", "schedule.restoration.validations=4"]
    from mtlsr.train import job

    original = Pruning.on_validation_end

    def stopped(self, trainer, module):
        original(self, trainer, module)
        if trainer.default_root_dir.endswith("2") and trainer.global_step == 4:
            raise Interrupted("Stopped.")

    monkeypatch.setattr(Pruning, "on_validation_end", stopped)
    assert search(*given)[0] == 130
    monkeypatch.setattr(Pruning, "on_validation_end", original)
    before = study(tmp_path / "search").trials[2].intermediate_values
    assert list(before) == [2, 4]

    def worse(cfg, watching=()):
        for each in watching if cfg.folder.endswith("3") else ():
            asked = each.hopeless
            each.hopeless = lambda step, value, asked=asked: asked(step, value - 50)
        return job(cfg, watching)

    monkeypatch.setattr("mtlsr.train.job", worse)
    code, said, error = search(*given, "search.resume=search")
    assert (code, error) == (0, "")
    assert "Given up after step 2: others were better by then." in said
    found = study(tmp_path / "search").trials
    assert [trial.state.name for trial in found] == 3 * ["COMPLETE"] + ["PRUNED"]
    assert list(found[2].intermediate_values) == [2, 4, 6, 8]
    assert {k: found[2].intermediate_values[k] for k in before} == before
    jobs = collect(tmp_path / "search")
    assert [each.status for each in jobs] == 3 * ["done"] + ["pruned"]
    assert "Pruned: job 3." in said
    keys = {each.manifest["stage1"]["key"] for each in jobs}
    assert len(keys) == 1
    text = (tmp_path / "search" / "report.html").read_text()
    assert "Validation on the way" in text


def test_pruning_asks_after_every_validation_and_never_at_the_end():
    told = []

    def hopeless(step, value):
        told.append((step, value))
        return True

    trainer = SimpleNamespace(callback_metrics={"psnr": 20.0}, global_step=3, max_steps=4)

    watch = Pruning("psnr", hopeless)
    with pytest.raises(Pruned, match="Given up after step 3"):
        watch.on_validation_end(trainer, None)
    trainer.global_step = 4
    watch.on_validation_end(trainer, None)
    trainer.callback_metrics = {}
    watch.on_validation_end(trainer, None)
    assert told == [(3, 20.0), (4, 20.0)]


def test_a_trial_without_a_finite_value_has_failed(tmp_path, made_up):
    found = optuna.create_study(storage=trials.address(tmp_path), direction="maximize")
    node = {"loss": {"lambda2": {"low": 0.01, "high": 1.0}}}
    found.ask(space(node, OmegaConf.create({"loss": {"lambda2": 0.1}})))
    folder = tmp_path / "0"
    folder.mkdir()
    made_up(OmegaConf.create({"folder": str(folder), "loss": {"lambda2": float("nan")}}))
    trials.tell(found, 0, folder, ["psnr_y"])
    assert found.trials[0].state == TrialState.FAIL


def test_the_best_command_says_the_same_to_a_shell():
    found = optuna.create_study(direction="maximize")
    choices = {"name": CategoricalDistribution(["a b"])}
    trial = create_trial(params={"name": "a b"}, distributions=choices, value=1.0)
    given = ["dataset.root='/my photos'", "stages=[restoration]"]
    found.add_trial(trial)
    line = best(found, given)[-1]
    assert shlex.split(line)[3:] == [*given, "name='a b'"]


def test_words_without_a_whole_trial():
    found = optuna.create_study(direction="maximize")
    found.add_trial(create_trial(state=TrialState.FAIL))
    assert best(found, []) == ["1 trials: 1 failed."]


def test_the_search_by_wandb_chooses_keys_and_follows_a_value_that_exist():
    asked = OmegaConf.load(Path(__file__).parents[2] / "experiments" / "wandb_lambda.yaml")
    register()
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = hydra.compose("train")
    assert all(OmegaConf.select(cfg, key) is not None for key in asked.parameters)
    assert asked.metric.name == MONITORED["restoration"]


@pytest.mark.slow
def test_a_search_that_was_killed_has_so_many_trials_in_all(tmp_path, cache, small_photographs):
    given = arguments(cache, small_photographs, "search.trials=12", "search.random=4")
    given += ["schedule.restoration.validations=4"]
    command, begun = ["mtlsr.search", *given], "search/5/checkpoints"
    places = run_undisturbed_and_killed(tmp_path, command, begun, "search.resume=search")
    undisturbed, killed = (values(place / "search") for place in places)
    assert len(undisturbed) == 12
    assert killed == undisturbed
