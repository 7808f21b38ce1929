"""The images of an evaluation: one data set, several by name, or every benchmark of a folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from mtlsr.data.datasets import DATASETS
from mtlsr.data.layouts import BENCHMARKS, benchmark_folder
from mtlsr.data.pairs import EvaluationSet
from mtlsr.runs import photographs
from mtlsr.runs.command import conf_folder
from mtlsr.runs.schema import ConfigError, DatasetConfig

SPLITS = ("held_out", "test", "val", "all")


def find_sets(cfg: DictConfig, scale: int) -> list[EvaluationSet]:
    """The images of `dataset`, or of each of `datasets` or `benchmarks`, of one `split`.

    Raises:
        UserError: An unknown data set or split, a missing folder, no images, or two data sets of
            one name.
    """
    if cfg.split not in SPLITS:
        raise ConfigError(f"split is {cfg.split!r}; it is one of {', '.join(SPLITS)}.")
    found = [images for node in _nodes(cfg) for images in _split(node, cfg.split, scale)]
    names = [images.name for images in found]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"datasets holds {name} twice; measure them one after the other.")
    return found


def _split(node: DictConfig, split: str, scale: int) -> list[EvaluationSet]:
    if split == "all":
        node = OmegaConf.merge(node, {"holdout": 0})  # type: ignore[assignment]
    cfg = OmegaConf.create({"dataset": node, "scale": scale, "cache": None})
    files = photographs.dataset(cfg)
    if split == "all":
        files = replace(files, test=[*files.train, *files.val, *files.test], train=[], val=[])
    elif split == "test":
        files = replace(files, val=[])
    elif split == "val":
        files = replace(files, test=[])
    found = photographs.held_out(cfg, files)
    if not found:
        raise ConfigError(f"dataset {files.name!r} has no images of split={split}.")
    return found


def _nodes(cfg: DictConfig) -> list[DictConfig]:
    """The data sets that are asked for, each as `dataset` would hold it."""
    if cfg.datasets is None and cfg.benchmarks is None:
        return [cfg.dataset]
    asked = cfg.datasets
    if asked is None:
        asked = [name for name in BENCHMARKS if benchmark_folder(Path(cfg.benchmarks), name)]
        if not asked:
            known = ", ".join(names[0] for names in BENCHMARKS.values())
            raise ConfigError(f"benchmarks is {cfg.benchmarks!r}, which holds none of {known}.")
    if not isinstance(asked, ListConfig | list) or not asked:
        raise ConfigError(f"datasets is {asked}; a list of data sets is needed.")
    return [_node(each, cfg.benchmarks) for each in asked]


def _node(asked: Any, benchmarks: str | None) -> DictConfig:
    """One of `datasets`: a name, or a mapping of name, root and whatever else `dataset` holds."""
    given = {"name": asked} if isinstance(asked, str) else asked
    if not isinstance(given, DictConfig | dict) or "name" not in given:
        raise ConfigError(f"datasets holds {asked}; a name or {{name: ..., root: ...}} is needed.")
    name = given["name"]
    if name not in DATASETS:
        raise ConfigError(f"There is no data set {name!r}; there are {', '.join(DATASETS)}.")
    usual = OmegaConf.load(conf_folder() / "dataset" / f"{name}.yaml")
    node = OmegaConf.merge(OmegaConf.structured(DatasetConfig), usual, given)
    if benchmarks is not None and name in BENCHMARKS and "root" not in given:
        folder = benchmark_folder(Path(benchmarks), name)
        if folder is None:
            known = " or ".join(BENCHMARKS[name])
            raise ConfigError(f"benchmarks is {benchmarks!r}, which holds no {known}.")
        node.root = str(folder)
    return node  # type: ignore[return-value]
