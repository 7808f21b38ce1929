"""What each method of balancing costs, beside the plain sum."""

import statistics
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mtlsr.objective.balancing.table import FIXED, METHODS, find_method
from mtlsr.runs import photographs
from mtlsr.runs.timing.common import Figure, short, train
from mtlsr.runs.tracking import tracked

DIAGNOSED = "fixed_diagnosed"


def balancing(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """Rate of stage 2's training with each method, against the plain sum of the terms.

    Methods have the options that their papers give. `<method>_cheap` is the cheap form, and
    `fixed_diagnosed` the plain sum with a look at the terms' gradients in every step.
    """
    cfg = short(cfg)
    files = photographs.dataset(cfg)
    plain_cfg: dict[str, Any] = OmegaConf.to_container(cfg, resolve=True)  # type: ignore[assignment]
    rates: dict[str, list[float]] = {name: [] for name in variants()}
    with tracked(cfg, folder, plain_cfg) as loggers:
        for repeat in range(cfg.repeats):
            for name, values in variants().items():
                chosen = {"stages": ["restoration"], **values}
                own = OmegaConf.create(plain_cfg | {"balancing": chosen})
                scratch = folder / "scratch" / f"{name}{repeat}"
                clock = train(own, "restoration", files, scratch, loggers)
                rates[name].append(cfg.measured_steps / clock.seconds)
    plain = rates[FIXED]
    return {
        name: Figure(
            statistics.median(found),
            "steps/s",
            statistics.median(plain),
            statistics.median(a / b for a, b in zip(found, plain, strict=True)),
        )
        for name, found in rates.items()
    }


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


def check_installed() -> None:
    """Refuse to measure methods that cannot run here.

    Raises:
        ValueError: A package is missing.
    """
    for name in METHODS:
        find_method(name)
