"""What an evaluation compares: networks by name, the scale that they share, the images."""

from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from mtlsr.data.pairs import EvaluationSet
from mtlsr.networks.base import Resolver
from mtlsr.networks.folder import load_model, model_folder
from mtlsr.runs import photographs
from mtlsr.runs.schema import ConfigError

BICUBIC = "bicubic"
SPLITS = ("held_out", "test", "val", "all")


def networks(cfg: DictConfig) -> dict[str, Resolver]:
    """The networks of `model` by the name that the table gives them; bicubic is none.

    A single one is called `mtlsr`, several are called by their run folders, with as many folders
    above as it takes to tell them apart.

    Raises:
        UserError: A folder without a model, no model at all, or one that is given twice.
    """
    asked = [cfg.model] if isinstance(cfg.model, str) else list(cfg.model or [])
    if not asked or not all(isinstance(name, str) for name in asked):
        raise ConfigError(
            f"model is {cfg.model}; a run folder, a model folder, {BICUBIC} or a list of them is "
            "needed."
        )
    folders = [model_folder(name).resolve() for name in asked if name != BICUBIC]
    if len(set(folders)) < len(folders):
        raise ConfigError(f"model names the same folder twice: {', '.join(asked)}.")
    runs = [folder.parent if folder.name == "model" else folder for folder in folders]
    names = ["mtlsr"] if len(runs) == 1 else _told_apart(runs)
    return {name: load_model(folder)[0] for name, folder in zip(names, folders, strict=True)}


def common_scale(cfg: DictConfig, models: dict[str, Resolver]) -> int:
    """The scale to measure at: the one that is asked for, or the models' own.

    Raises:
        UserError: The models have another, or several, or there is neither a scale nor a model.
    """
    own = {name: model.scale for name, model in models.items()}
    scales = set(own.values()) if cfg.scale is None else {int(cfg.scale)}
    if not scales:
        raise ConfigError(f"scale is missing: {BICUBIC} has none of its own; give it as scale=...")
    if len(scales) > 1 or not set(own.values()) <= scales:
        listed = ", ".join(f"{name} enlarges by {scale}" for name, scale in own.items())
        asked = "one scale is needed" if cfg.scale is None else f"scale is {cfg.scale}"
        raise ConfigError(f"{asked}, but {listed}.")
    return scales.pop()


def images(cfg: DictConfig, scale: int) -> list[EvaluationSet]:
    """The images of `dataset` and `split`.

    Raises:
        ValueError: An unknown data set or split, a missing folder, or no images.
    """
    if cfg.split not in SPLITS:
        raise ConfigError(f"split is {cfg.split!r}; it is one of {', '.join(SPLITS)}.")
    changes = {"scale": scale} | ({"dataset": {"holdout": 0}} if cfg.split == "all" else {})
    cfg = OmegaConf.merge(cfg, changes)  # type: ignore[assignment]
    files = photographs.dataset(cfg)
    if cfg.split == "all":
        files = replace(files, test=[*files.train, *files.val, *files.test], train=[], val=[])
    elif cfg.split == "test":
        files = replace(files, val=[])
    elif cfg.split == "val":
        files = replace(files, test=[])
    sets = photographs.held_out(cfg, files)
    if not sets:
        raise ConfigError(f"dataset {files.name!r} has no images of split={cfg.split}.")
    return sets


def _told_apart(paths: list[Path]) -> list[str]:
    """The last parts of each path: as few as make all of them different, and none `bicubic`."""
    for depth in range(1, max((len(path.parts) for path in paths), default=0) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len({BICUBIC, *names}) == 1 + len(names):
            return names
    return [str(path) for path in paths]
