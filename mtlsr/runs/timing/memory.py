"""Memory of the default training, and of a loader process that reads from a large store."""

import json
import multiprocessing
import shutil
from itertools import count
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from mtlsr.data.images import write_image
from mtlsr.data.loader import build_loader
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store
from mtlsr.files import nearest
from mtlsr.runs import photographs
from mtlsr.runs.schema import STAGES, ConfigError
from mtlsr.runs.timing.common import Figure
from mtlsr.runs.timing.processes import LIBRARIES, check_proc, resident, spend, training

MEGABYTE = 10**6


def memory(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """How much anonymous memory a training takes, and how much a loader process gains.

    Mapped pages of a store are not anonymous: the system takes them back when it needs memory.

    - `training`: megabytes of both stages, validation and evaluation, of all processes together at
      their most, beside a process that imports the libraries alone. Ratio: how many times as much.
      The training has the overrides of `overrides` and `measured_steps` a stage.

    A loader process draws as many bytes of patches as a store has that is made for it, of
    `gigabytes`, from noise.

    - `worker`: megabytes that its anonymous memory (RssAnon) has grown by since its first batch,
      beside the store's. Ratio: share of the store.
    - `mapped`: megabytes of the store that it has seen in that time (RssFile), beside the store's:
      that it has really read from everywhere.

    Raises:
        ConfigError: the system does not say (no /proc), or too little disk is free.
    """
    check_possible(cfg)
    return _training(cfg, folder / "scratch" / "training") | _loader(cfg, folder / "scratch")


def _training(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    steps = [f"schedule.{stage}.steps={cfg.measured_steps}" for stage in STAGES]
    libraries = spend(LIBRARIES, memory=True).memory
    whole = spend(training(cfg, folder, *steps), memory=True).memory
    return {"training": Figure(whole / MEGABYTE, "MB", libraries / MEGABYTE, whole / libraries)}


def _loader(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    scratch = folder / "memory"
    store = large_store(scratch, cfg.gigabytes, cfg.scale)
    size = store_bytes(store)
    patch, batch = cfg.loader.patch, cfg.loader.batch
    kind = photographs.degradation(cfg.degradation)
    samples = SampleDataset(store, patch, cfg.seed, kind)
    batches = 2 + size // (3 * patch**2 * (cfg.scale**2 + 1) * batch)
    others = {child.pid for child in multiprocessing.active_children()}
    before: dict[str, int] = {}
    after: dict[str, int] = {}
    for number, _ in enumerate(build_loader(samples, batch, batches, workers=1), start=1):
        if number in (1, batches):
            (worker,) = {child.pid for child in multiprocessing.active_children()} - others
            before, after = after, resident(worker or 0)
    shutil.rmtree(scratch)

    def grown(kind: str) -> Figure:
        growth = (after[kind] - before[kind]) / MEGABYTE
        return Figure(growth, "MB", size / MEGABYTE, growth / (size / MEGABYTE))

    return {"worker": grown("RssAnon"), "mapped": grown("RssFile")}


def check_possible(cfg: DictConfig) -> None:
    """Refuse to measure where it cannot be done.

    Raises:
        ConfigError: see `memory`.
    """
    check_proc("memory")
    known = not OmegaConf.is_interpolation(cfg, "folder")
    folder = nearest(Path(cfg.folder).resolve()) if known else Path()
    free = shutil.disk_usage(folder).free / 10**9
    if free < 2 * cfg.gigabytes:
        raise ConfigError(
            f"gigabytes is {cfg.gigabytes}; twice that must be free at {folder.resolve()}, "
            f"and {free:.1f} are."
        )


def large_store(folder: Path, gigabytes: float, scale: int) -> Store:
    """A store of noise, of at least that size: one photograph again and again, each with its bytes.

    Args:
        folder: Receives it.
        gigabytes: Of 10^9 bytes.
        scale: The store's.
    """
    side = 256 * scale
    folder.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    write_image(folder / "noise.bmp", noise)
    small = Store.open([folder / "noise.bmp"], scale, folder / "small")
    hr, lr = (small.folder / "hr.bin").read_bytes(), (small.folder / "lr.bin").read_bytes()
    index = json.loads((small.folder / "index.json").read_text(encoding="utf-8"))
    (entry,) = index["photographs"]
    index["photographs"] = []
    large = folder / "large"
    large.mkdir()
    with open(large / "hr.bin", "wb") as hr_file, open(large / "lr.bin", "wb") as lr_file:
        for number in count():
            if hr_file.tell() + lr_file.tell() >= gigabytes * 10**9:
                break
            place = {"name": f"{number}.bmp", "hr": hr_file.tell(), "lr": lr_file.tell()}
            index["photographs"].append(entry | place)
            hr_file.write(hr)
            lr_file.write(lr)
    (large / "index.json").write_text(json.dumps(index), encoding="utf-8")
    return Store(large)


def store_bytes(store: Store) -> int:
    """Size of a store's files of pixels."""
    return sum((store.folder / name).stat().st_size for name in ("hr.bin", "lr.bin"))
