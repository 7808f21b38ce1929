"""The methods of an evaluation: how they are named and found, and the scale that they share."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig

from mtlsr.data.interpolation import METHODS as KERNELS
from mtlsr.inference.device import find_device, find_precision
from mtlsr.inference.methods.base import Method
from mtlsr.inference.methods.network import Settings
from mtlsr.inference.methods.table import PREFIXES, find_method, place
from mtlsr.runs.names import told_apart
from mtlsr.runs.schema import ConfigError

BICUBIC = "bicubic"


def find_methods(cfg: DictConfig, settings: Settings) -> dict[str, Method]:
    """Bicubic, and the methods of `model` by the names that the table gives them.

    A mapping names its methods itself. Of a list, interpolation goes by its own name, a single run
    or model folder by `mtlsr`, and everything else by its file or folder, with as many folders
    above as it takes to tell them apart.

    Raises:
        UserError: A method that is not there or cannot be used, none at all, or one that is given
            twice.
    """
    named = _named(cfg.model)
    found = {name: find_method(words, settings) for name, words in named.items()}
    return {BICUBIC: find_method(BICUBIC, settings)} | found


def find_settings(cfg: DictConfig) -> Settings:
    """How networks compute.

    Raises:
        UserError: A device that this machine lacks, or an unknown precision.
    """
    device = find_device(cfg.device)
    return Settings(device, find_precision(cfg.precision, device), cfg.self_ensemble, cfg.tile)


def unusual(used: Settings) -> dict[str, Any]:
    """What of the settings is not the usual: float32, once, the whole image."""
    precision = str(used.precision).removeprefix("torch.")
    found = {"precision": precision, "self_ensemble": used.self_ensemble, "tile": used.tile}
    usual = {"precision": "float32", "self_ensemble": False, "tile": None}
    return {key: value for key, value in found.items() if value != usual[key]}


def common_scale(asked: int | None, found: Mapping[str, Method]) -> int:
    """The scale to measure at: the one that is asked for, or the methods' own.

    Raises:
        ConfigError: The methods have another, or several, or there is neither a scale nor a method
            that has one.
    """
    own = {name: method.scale for name, method in found.items() if method.scale is not None}
    scales = set(own.values()) if asked is None else {asked}
    if not scales:
        raise ConfigError(
            f"scale is missing: {', '.join(found)} has none of its own; give it as scale=..."
        )
    if len(scales) > 1 or not set(own.values()) <= scales:
        listed = ", ".join(f"{name} enlarges by {scale}" for name, scale in own.items())
        wanted = "one scale is needed" if asked is None else f"scale is {asked}"
        raise ConfigError(f"{wanted}, but {listed}.")
    return scales.pop()


def _named(asked: Any) -> dict[str, str]:
    """The words for each method but bicubic, by the name that it gets."""
    given = isinstance(asked, DictConfig | dict)
    words = list(asked.values()) if given else _listed(asked)
    if not words or not all(isinstance(each, str) for each in words):
        others = [each for each in KERNELS if each != BICUBIC]
        others += [f"{prefix}:<path>" for prefix in PREFIXES]
        raise ConfigError(
            f"model is {asked}; a run folder, a model folder, {BICUBIC} or a list of them is "
            f"needed; other methods are {', '.join(others)}."
        )
    places = [place(each) for each in words]
    known = [
        each if path is None else path.resolve() for each, path in zip(words, places, strict=True)
    ]
    if len(set(known)) < len(known):
        raise ConfigError(f"model names the same folder twice: {', '.join(words)}.")
    names = [str(name) for name in asked] if given else _names(words, places)
    for name, each in zip(names, words, strict=True):
        if name in KERNELS and name != each:
            raise ConfigError(f"model calls {each} {name!r}, which is the name of a kernel.")
    return {name: each for name, each in zip(names, words, strict=True) if each != BICUBIC}


def _listed(asked: Any) -> list[Any]:
    if isinstance(asked, str):
        return [asked]
    return list(asked) if isinstance(asked, ListConfig | list) else []


def _names(words: Sequence[str], places: Sequence[Path | None]) -> list[str]:
    """A name for each method of a list."""
    paths = [path for path in places if path is not None]
    origins = [_origin(path) for path in paths]
    if len(set(origins)) < len(origins):  # a run, and what was exported of it beside it
        origins = [path.resolve() for path in paths]
    apart = dict(zip(paths, told_apart(origins), strict=True))
    ours = [
        p for p, w in zip(places, words, strict=True) if p and w.partition(":")[0] not in PREFIXES
    ]
    if len(ours) == 1 and "mtlsr" not in apart.values():
        apart[ours[0]] = "mtlsr"
    return [each if path is None else apart[path] for each, path in zip(words, places, strict=True)]


def _origin(path: Path) -> Path:
    """Where a name comes from: a file without its suffix, a run folder, any other folder."""
    path = path.resolve()
    if path.is_file():
        return path.with_suffix("")
    return path.parent if path.name == "model" else path
