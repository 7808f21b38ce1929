"""The life of a search: trials one after the other, or several at a time, as jobs of a sweep."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext, RunMode
from omegaconf import DictConfig, OmegaConf
from optuna.trial import FrozenTrial, TrialState

from mtlsr.errors import UserError
from mtlsr.runs import photographs
from mtlsr.runs.announcing import announce
from mtlsr.runs.command import guarded, literal
from mtlsr.runs.life import alone
from mtlsr.runs.pruning import Pruned, Pruning
from mtlsr.runs.schema import ConfigError, check_ranges
from mtlsr.runs.stopping import Interrupted, patient, side_by_side
from mtlsr.sweeps.jobs import STUDY, resolved
from mtlsr.sweeps.report import report
from mtlsr.sweeps.search import trials
from mtlsr.sweeps.search.space import ends, overrides, space, usual
from mtlsr.sweeps.search.words import best
from mtlsr.sweeps.sweeping import check_metrics

Train = Callable[[DictConfig, Sequence[Pruning]], object]
"""Trains a job, watched by callbacks."""

Launch = Callable[[Sequence[Sequence[str]], int], None]
"""Runs jobs of these overrides, the first of which has that number."""

OWN = ("search.", "search/")
"""Overrides that a search understands and a training does not."""

FREE = ("search.trials=", "search.resume=", "search.parallel=")
"""Overrides that may change when a search goes on."""


def check(cfg: DictConfig, trainable: Callable[[DictConfig], None]) -> None:
    """Refuse a search one of whose trials could not begin.

    Args:
        cfg: The configuration of a search.
        trainable: Raises an error for a training that cannot be.

    Raises:
        ConfigError: What is wrong, the value, and what is allowed.
    """
    resumed = cfg.search.resume
    if resumed is not None and not (Path(resumed) / STUDY).is_file():
        raise ConfigError(f"search.resume is {resumed!r}, which is no search: no {STUDY}.")
    names = list(cfg.search.objectives)
    if not names or set(names) - set(trials.OBJECTIVES) or len(set(names)) < len(names):
        raise ConfigError(
            f"search.objectives is {names}; it holds one or more of {', '.join(trials.OBJECTIVES)}."
        )
    check_metrics(cfg.sweep.metrics)
    numbers = [str(number) for number in range(cfg.search.trials)]
    if cfg.sweep.baseline is not None and cfg.sweep.baseline not in numbers:
        raise ConfigError(
            f"sweep.baseline is {cfg.sweep.baseline!r}; of a search's trials nothing is known but "
            f"their numbers, 0 to {numbers[-1]}."
        )
    for key, value, allowed in (
        ("trainer.devices", cfg.trainer.devices, 1),
        ("trainer.num_nodes", cfg.trainer.num_nodes, 1),
        ("resume", cfg.resume, None),
        ("sweep.resume", cfg.sweep.resume, None),
    ):
        if value != allowed:
            raise ConfigError(f"{key} is {value}; in a search it must be {allowed}.")
    if "restoration" not in cfg.stages or not cfg.schedule.restoration.validations:
        raise ConfigError(
            "A search needs stage 2 and its validations: stages must hold restoration, and "
            "schedule.restoration.validations must be at least 1."
        )
    if not photographs.dataset(cfg).val:
        raise ConfigError(
            "A search needs photographs that are held out: give dataset.val_root, or a "
            "dataset.holdout of at least 1."
        )
    for values in ends(space(cfg.search.space, cfg)):
        one = cfg.copy()
        for key, value in values.items():
            OmegaConf.update(one, key, value)
        check_ranges(one)
        trainable(one)


def search(cfg: DictConfig, folder: Path, train: Train) -> None:
    """Run trials until there are as many as were asked for; report, however it ends.

    Args:
        cfg: The configuration of a search.
        folder: Its folder.
        train: See `Train`.

    Raises:
        UserError: It is another search's folder, or a search is at work in it; or a trial failed.
    """
    with alone(folder):
        _search(cfg, folder, train)


def _search(cfg: DictConfig, folder: Path, train: Train) -> None:
    own, found = cfg.search, space(cfg.search.space, cfg)
    given: list[str] = [str(each) for each in HydraConfig.get().overrides.task]
    command = [each for each in given if not each.startswith(FREE)]
    study = trials.opened(own, folder, command, usual(found, cfg))
    trials.check_config(study, folder, resolved(cfg))
    trained = [each for each in given if not each.lstrip("+~").startswith(OWN)]
    launch = _launcher(own, folder, trained, train)

    def run(asked: Sequence[FrozenTrial]) -> None:
        """Trials of consecutive numbers; and tell what became of them."""
        if not all(trials.over(folder / str(trial.number)) for trial in asked):
            jobs = [[*trained, *overrides(trial.params)] for trial in asked]
            launch(jobs, asked[0].number)
        for trial in asked:
            trials.tell(study, trial.number, folder / str(trial.number), own.objectives)

    try:
        for begun in trials.unfinished(study, own.parallel):
            run(begun)
        while (left := own.trials - len(trials.ended(study))) > 0:
            count = min(left, own.parallel)
            run([trials.ask(study, found, own) for _ in range(count)])
    finally:
        if (folder / "0" / ".hydra").is_dir():
            report([folder], cfg.sweep.baseline, cfg.sweep.metrics, folder)
            for line in best(study, trained):
                announce(line)
        if own.trials > len(trials.ended(study)):
            announce(f"The same command goes on with it: search.resume={folder}")
    failed = study.get_trials(states=[TrialState.FAIL])
    if failed:
        raise UserError(f"{len(failed)} of {len(trials.ended(study))} trials failed.")


def _launcher(own: DictConfig, folder: Path, given: Sequence[str], train: Train) -> Launch:
    """Hydra's launcher of jobs in a search's folder, each of which `train` trains.

    Jobs side by side end in their own way when somebody asks them to, and then so does the search.
    """
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None  # a search is itself a job of Hydra's
    ours = [each for each in HydraConfig.get().overrides.hydra if "launcher" in each]
    place = [f"hydra.sweep.dir={literal(str(folder))}", "hydra.mode=MULTIRUN"]
    composed = hydra.compose_config("train", [*given, *ours, *place], run_mode=RunMode.MULTIRUN)
    beside = side_by_side(composed.hydra)

    def work(job: DictConfig) -> object:
        try:
            return train(job, trials.watching(own, folder, HydraConfig.get().job.num))
        except Pruned as end:
            announce(str(end))
            return None

    launcher = Plugins.instance().instantiate_launcher(
        config=composed,
        hydra_context=HydraContext(hydra.config_loader, Callbacks()),
        task_function=guarded(work, []),
    )

    def launch(jobs: Sequence[Sequence[str]], first: int) -> None:
        codes: list[int] = []
        with patient(codes) if beside else nullcontext():
            launcher.launch(jobs, first)
        if codes:
            raise Interrupted("Stopped.", codes[0] - 128)

    return launch
