"""What each method of balancing costs, beside the plain sum."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mtlsr.objective.balancing.table import FIXED, METHODS, find_method
from mtlsr.runs.schema import ConfigError, plain
from mtlsr.runs.timing.common import Figure, short, step_rates

DIAGNOSED = "fixed_diagnosed"


def balancing(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Rate of stage 2's training with each method, against the plain sum of the terms.

    Methods have the options that their papers give. `<method>_cheap` is the cheap form, and
    `fixed_diagnosed` the plain sum with a look at the terms' gradients in every step. `methods`
    names some of them; none means all.
    """
    common = plain(short(cfg))
    chosen = {
        name: OmegaConf.create(common | {"balancing": {"stages": ["restoration"], **values}})
        for name, values in variants().items()
        if not cfg.methods or name in (FIXED, *cfg.methods)
    }
    rates = step_rates(chosen, folder)
    return {name: Figure.of(found, rates[FIXED], "steps/s") for name, found in rates.items()}


def variants() -> dict[str, dict[str, Any]]:
    """Values of `balancing` by the name of what is measured."""
    found: dict[str, dict[str, Any]] = {
        FIXED: {"name": FIXED, "diagnose_every": 0},
        DIAGNOSED: {"name": FIXED, "diagnose_every": 1},
    }
    for name, method in METHODS.items():
        found[name] = {"name": name, "diagnose_every": 0}
        if method.gramian:
            found[f"{name}_cheap"] = found[name] | {"form": "cheap"}
    return found


def check_methods(cfg: DictConfig) -> None:
    """Refuse to measure methods that cannot run here.

    Raises:
        ValueError: An unknown name, or a package is missing.
    """
    known = variants()
    for name in cfg.methods:
        if name not in known:
            raise ConfigError(f"methods holds {name!r}; they are {', '.join(known)}.")
    for name in METHODS:
        if not cfg.methods or {name, f"{name}_cheap"} & set(cfg.methods):
            find_method(name)
