"""The loggers that a configuration names. The only module that instantiates what YAML names.

A configuration also comes out of the manifest of a run folder, which a stranger may have made: it
could name any function, a server that W&B would send its key to, or a file elsewhere.
"""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import Logger

from mtlsr.runs.schema import ConfigError

LOGGERS = {
    "mtlsr.runs.tracking.Wandb": (
        "entity", "group", "id", "job_type", "log_model", "name", "notes", "offline", "prefix",
        "project", "resume", "save_code", "tags",
    ),
    "pytorch_lightning.loggers.TensorBoardLogger": (
        "default_hp_metric", "flush_secs", "log_graph", "max_queue", "name", "prefix", "sub_dir",
        "version",
    ),
}  # fmt: skip
"""What a configuration may have made by its name, and what it may tell it. W&B's server is its
user's own choice, by `wandb login --host` or the variable WANDB_BASE_URL."""

PROSE = ("notes", "tags")
"""Options that no file is named by; those of a sweep's jobs hold paths."""


def check_loggers(cfg: DictConfig) -> None:
    """Refuse whatever is not in the table of loggers, or names a place outside of the run's folder.

    Raises:
        ConfigError: There is something like that.
    """
    for name, node in cfg.logger.items():
        options: Any = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_dict(node) else {}
        target = options.pop("_target_", None)
        if target not in LOGGERS or "_target_" in str(options):
            raise ConfigError(
                f"logger.{name} is {node}; its _target_ is one of {', '.join(LOGGERS)}, and "
                "nothing in it has another."
            )
        _check_options(f"logger.{name}", options, LOGGERS[target])


def _check_options(key: str, options: Mapping[Any, Any], known: tuple[str, ...]) -> None:
    for option, value in options.items():
        if option not in known:
            raise ConfigError(f"{key}.{option} is no option; they are {', '.join(known)}.")
        values = value if option == "tags" and isinstance(value, list) else [value]
        if not all(each is None or isinstance(each, str | int | float) for each in values):
            raise ConfigError(f"{key}.{option} is {value}; a word, a number or true or false.")
        if option not in PROSE and isinstance(value, str) and _leads_elsewhere(value):
            raise ConfigError(f"{key}.{option} is {value!r}, which leads out of the run's folder.")


def _leads_elsewhere(text: str) -> bool:
    path = PurePath(text)
    return path.is_absolute() or ".." in path.parts


def loggers(cfg: DictConfig, folder: Path) -> list[Logger]:
    """The loggers that the configuration names, each writing below the run's folder.

    Raises:
        ConfigError: See `check_loggers`; or the package of one is not installed.
    """
    check_loggers(cfg)
    made: list[Logger] = []
    for name, node in cfg.logger.items():
        try:
            made.append(instantiate(node, save_dir=str(folder)))
        except ModuleNotFoundError as error:
            raise ConfigError(f"logger {name!r} needs the package {error.name!r}.") from error
    return made
