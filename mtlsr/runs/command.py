"""From a command line to a call. A user's error is one line and exit code 1."""

import io
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, QuotedString, RangeSweep
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mtlsr.errors import UserError
from mtlsr.runs.allocation import keep_freed_memory
from mtlsr.runs.processes import job_alone, started_elsewhere
from mtlsr.runs.schema import ConfigError, check_ranges, register
from mtlsr.runs.stopping import (
    INTERRUPTED,
    Interrupted,
    ask_to_stop,
    asked_to_stop,
    patient,
    side_by_side,
    stop_when_asked,
)

PATHS = {
    "a", "ab", "b", "base", "baseline", "benchmarks", "cache", "dataset.realism.root",
    "dataset.realism.val_root", "dataset.root", "dataset.val_root", "evaluation.root", "folder",
    "history", "hydra.sweep.dir", "init", "input", "measured", "mirror", "model", "output",
    "replay", "results", "resume", "search.resume", "stage1", "sweep", "sweep.baseline",
    "sweep.resume", "sweep.stage1", "votes",
}  # fmt: skip
"""Keys whose values may hold any character: paths, and the name of a baseline."""

LISTS = ("benchmarks", "model", "results", "sweep")
"""Those that also take a list or a mapping."""

SEVERAL = ("ab", "sweep")
"""Those that name several, with commas between them."""

ERROR = "error.txt"
"""Where a job of a sweep that fails leaves what was said."""

FAILED = 1

# Our launchers' files have the names of the plugins' schemas, which check them. Said here, because
# a process of joblib's imports this file before Hydra warns there.
warnings.filterwarnings("ignore", message=r"[\s\S]*validated against ConfigStore schema")


def conf_folder() -> Path:
    """Where `conf/` is: inside the package when installed, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def execute(
    command: str,
    run: Callable[[DictConfig], object],
    check: Callable[[DictConfig], object] = lambda cfg: None,
    around: Callable[[list[DictConfig], Path, list[list[str]]], AbstractContextManager[None]]
    | None = None,
    sweeps: bool = True,
) -> None:
    """Serve `python -m mtlsr.<command>`.

    Args:
        command: Name of the configuration in `conf/`.
        run: Does the work. A folder exists by then.
        check: Looks whether the work can be done, for every job of a sweep, before the first one
            starts and before anything is written; raises ValueError or OSError where it cannot.
        around: Context of a sweep; takes the configuration of every job, the sweep's folder and
            the overrides of every job.
        sweeps: Whether -m has a meaning: each job has a folder of its own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    register()
    keep_freed_memory()
    # Of its warnings about files, what the user can act on is said by errors.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    os.environ["HYDRA_FULL_ERROR"] = "1"  # else Hydra prints errors and exits itself
    sys.argv[1:] = [quoted(argument, sys.argv[1:]) for argument in _sweeping_first(sys.argv[1:])]
    codes: list[int] = []
    job = guarded(run, codes)
    serve = hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=command)(job)
    try:
        with _flushed():
            if not sweeps and _sweeps(sys.argv[1:]):
                raise ConfigError(
                    f"mtlsr.{command} does one thing at a time: -m has no meaning here."
                )
            sys.argv[1:] += _home(command, sys.argv[1:])
            jobs = _jobs(sys.argv[1:])
            composed = [_check(command, overrides, check) for overrides in jobs]
            if command == "train" and jobs and not _sweeps(sys.argv[1:]):
                _check_home(sys.argv[1:])
            if around is None or not jobs or not _sweeps(sys.argv[1:]):
                serve()
            else:
                # Its name holds the time, which is told once.
                settings = _compose(command, jobs[0], return_hydra_config=True).hydra
                folder = Path(settings.sweep.dir)
                sys.argv.append(quoted(f"hydra.sweep.dir={folder}", []))
                patience = patient(codes) if side_by_side(settings) else nullcontext()
                with around(composed, folder, jobs), patience, _launched(folder):
                    serve()
    except KeyboardInterrupt:
        codes.append(INTERRUPTED)
    except BrokenPipeError:  # nobody reads any more: `--help | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        codes.append(FAILED)
    except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:
        codes.append(_complain(error))
    if codes:
        sys.exit(max(codes))


@contextmanager
def _flushed() -> Iterator[None]:
    """Notice in the end that nobody reads any more, and not only while Python shuts down."""
    try:
        yield
    finally:
        sys.stdout.flush()


@contextmanager
def _launched(folder: Path) -> Iterator[None]:
    """Around a launcher of a sweep's jobs, which catch what they fail by themselves.

    Raises:
        UserError: A process of its was killed, or SLURM gave a job up.
    """
    try:
        yield
    except RuntimeError as error:  # joblib's and submitit's
        raise UserError(
            f"The launcher lost a job ({type(error).__name__}: {str(error).strip()}). The same "
            f"command goes on with what is not done: sweep.resume={folder}"
        ) from error


def guarded(
    run: Callable[[DictConfig], object], codes: list[int]
) -> Callable[[DictConfig], object]:
    """A job that says and notes what it fails by, and leaves the next one alone.

    Args:
        run: Does the work.
        codes: Takes the exit code of a job that did not come to its end.
    """

    def job(cfg: DictConfig) -> object:
        if asked_to_stop():
            return None
        _note("")
        beside = HydraConfig.initialized() and side_by_side(HydraConfig.get())
        if beside:
            stop_when_asked()
        try:
            with job_alone():
                return run(cfg)
        except Interrupted as stop:
            print(stop, file=sys.stderr)
            codes.append(stop.code)
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                # Hydra would go on with the next job; joblib would kill the others.
                if not beside:
                    raise KeyboardInterrupt from stop
                ask_to_stop()
        except (UserError, OSError) as error:
            codes.append(_complain(error))
            _note(str(error))
        except Exception:
            traceback.print_exc()
            codes.append(FAILED)
            _note(traceback.format_exc())
        return None

    return job


def expanded(arguments: Sequence[str]) -> list[list[str]]:
    """The overrides of each job of a sweep's command line, as Hydra's own sweeper has them.

    Raises:
        ConfigError: There are none, or their order is drawn anew whenever the line is read.
    """
    loader = ConfigLoaderImpl(create_config_search_path(str(conf_folder())))
    overrides = OverridesParser.create(loader).parse_overrides(list(arguments))
    for override in overrides:
        value, line = override.value(), override.input_line
        if isinstance(value, ChoiceSweep | RangeSweep) and value.shuffle:
            raise ConfigError(f"{line} has another order each time; a sweep needs one that stays.")
        if override.is_discrete_sweep() and not any(True for _ in override.sweep_iterator()):
            raise ConfigError(f"{line} has no values: the sweep would have no jobs.")
    return [list(job) for batch in BasicSweeper.split_arguments(overrides, None) for job in batch]


def quoted(argument: str, arguments: list[str]) -> str:
    """Quote the value of a path, so that Hydra's grammar leaves its characters alone; a first ~ is
    the home folder."""
    key, equals, value = argument.partition("=")
    if not equals or key not in PATHS or value in ("", "null"):
        return argument
    sweeps = "," in value and key not in SEVERAL and _sweeps(arguments)
    listed = key in LISTS and re.fullmatch(r"\[.*\]|\{.*\}", value)
    already = len(value) > 1 and value[0] in "'\"" and value.endswith(value[0])
    if sweeps or listed or already or value.startswith("${"):
        return argument
    parts = value.split(",") if key in SEVERAL else [value]
    value = ",".join(map(os.path.expanduser, parts))
    if not key.startswith("hydra."):  # whose folders may be named by ${now:...}
        value = re.sub(r"(\\*)\$\{", r"\1\1\${", value)
    return f"{key}={literal(value)}"  # a name like 1.10, too: it would become the number 1.1


def literal(text: str) -> str:
    """A text in quotes, which Hydra's grammar reads as what it is."""
    # Inside quotes it takes a backslash as it is, unless a quote follows it.
    escaped = re.sub(r"(\\*)('|$)", lambda found: 2 * found[1] + found[2].replace("'", r"\'"), text)
    return f"'{escaped}'"


def _plain(override: str) -> str:
    """The text that Hydra's grammar reads in an override's value."""
    value = OverridesParser.create().parse_override(override).value()
    return value.text if isinstance(value, QuotedString) else str(value)


SWEEPING = ("-m", "--multirun")


def _sweeps(arguments: list[str]) -> bool:
    """Whether a command line starts several jobs."""
    return bool(set(SWEEPING) & set(arguments))


def _sweeping_first(arguments: list[str]) -> list[str]:
    """The same arguments; what stands after an -m in the middle would not be understood."""
    return sorted(arguments, key=lambda argument: argument not in SWEEPING)


def _home(command: str, arguments: list[str]) -> list[str]:
    """Overrides that make a resumed run stay in its folder and keep its `.hydra/`.

    Of several processes that torchrun or SLURM starts, only the first one writes `.hydra/`.
    """
    number = started_elsewhere() if command == "train" else None
    place = _run_folder(arguments)
    if number is not None and place is None:
        raise ConfigError("Several processes need one folder: name it by hydra.run.dir=<folder>.")
    for argument in arguments:
        key, _, value = argument.partition("=")
        named = value.strip("'") not in ("", "null", "auto")
        if named and key in ("resume", "search.resume", "replay") and _sweeps(arguments):
            raise ConfigError(
                f"{key} is {value}, one run, and -m begins several; a sweep goes on by "
                "sweep.resume=<folder>."
            )
        if named and key in ("resume", "search.resume"):
            return [f"hydra.run.dir={value}", "hydra.output_subdir=null"]
        if key == "sweep.resume" and value not in ("", "null"):
            return [f"hydra.sweep.dir={value}"]
        if key == "replay" and value not in ("", "null"):
            folder = Path(_plain(argument)).parent
            return [f"hydra.run.dir={literal(str(folder))}", "hydra.output_subdir=null"]
    auto = place is not None and "resume='auto'" in arguments and _holds_a_run(place)
    return ["hydra.output_subdir=null"] if number or auto else []


def _holds_a_run(folder: Path) -> bool:
    from mtlsr.runs.manifest import NAME  # heavy: --help does not wait for it

    return (folder / NAME).is_file()


def _run_folder(arguments: list[str]) -> Path | None:
    """The run's folder, where the command line names it."""
    given = [each for each in arguments if each.startswith("hydra.run.dir=")]
    return Path(_plain(given[-1])) if given else None


def _check_home(arguments: list[str]) -> None:
    """Refuse a folder that holds another run, before Hydra writes into it.

    Raises:
        ConfigError: How to go on with that run.
    """
    keys = {argument.partition("=")[0] for argument in arguments}
    folder = _run_folder(arguments)
    if not keys & {"resume", "replay"} and folder and (folder / "checkpoints").is_dir():
        from mtlsr.runs.resuming import check_free

        check_free(folder)


def _jobs(arguments: list[str]) -> list[list[str]]:
    """The overrides of each job that this command line starts; none where it only asks for help."""
    args = get_args_parser().parse_args(arguments)
    if args.help or args.hydra_help or args.cfg or args.info or args.shell_completion:
        return []
    return expanded(args.overrides) if args.multirun else [args.overrides]


def _check(command: str, overrides: list[str], check: Callable[[DictConfig], object]) -> DictConfig:
    """The configuration of a job that can be done."""
    cfg = _compose(command, overrides)
    check_ranges(cfg)
    _check_paths(cfg)
    check(cfg)
    return cfg


def _check_paths(cfg: DictConfig) -> None:
    """Refuse a path of no characters: the system takes it for the current folder."""
    raw: Any = OmegaConf.to_container(cfg, resolve=False)  # `folder` is known later
    for key in sorted(PATHS):
        value = raw
        for name in key.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value == "":
            raise ConfigError(f"{key} is empty; give it a value, or leave it out.")


def _compose(command: str, overrides: list[str], **options: bool) -> DictConfig:
    with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3", job_name=command):
        return hydra.compose(command, overrides, **options)


def _note(said: str) -> None:
    """Leave in a sweep's job what it failed by; nothing of an earlier try."""
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        return
    path = Path(HydraConfig.get().runtime.output_dir) / ERROR
    path.unlink(missing_ok=True)
    if said:
        path.write_text(said, encoding="utf-8")


def _complain(error: Exception) -> int:
    """Print an error as one line."""
    causes = [str(error)]
    if isinstance(error, HydraException) and error.__cause__ is not None:
        causes.append(str(error.__cause__))
    lines = [line.strip() for line in "\n".join(causes).splitlines()]
    kept = [line for line in lines if line and not line.startswith(("object_type=", "Set the env"))]
    print("mtlsr: " + "; ".join(dict.fromkeys(kept)), file=sys.stderr)
    return FAILED
