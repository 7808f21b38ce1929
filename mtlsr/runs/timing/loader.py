"""The data loader, beside decoding a file a sample, bare copying, and the step it feeds."""

import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl
from numpy.typing import NDArray
from omegaconf import DictConfig
from pytorch_lightning.profilers import Profiler
from torch.utils.data import DataLoader, Dataset

from mtlsr.data.augment import dihedral
from mtlsr.data.datasets import Dataset as Files
from mtlsr.data.images import ImageError, write_image
from mtlsr.data.loader import build_loader
from mtlsr.data.samples import Sample, SampleDataset
from mtlsr.runs import photographs
from mtlsr.runs.timing.common import WARM_UP, Figure, short, train
from mtlsr.runs.tracking import tracked

UInt8 = NDArray[np.uint8]


def loader(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    """How fast samples come, and what they cost the training step.

    - `files`: samples/s of one worker, beside those of one worker that decodes both resolutions of
      every sample from files. Ratio: how many times as fast; 10 is wanted.
    - `copying`: the same, beside copying the same crops out of the store and nothing else.
    - `waiting`: milliseconds of a step of stage 2 that pass before it has its batch, beside the
      step's. Ratio: share of the step; under 0.02 is wanted.
    - `cores`: milliseconds of one core that a batch costs, beside what the step with its loader
      costs of all cores. Ratio: share; at most 0.08 is wanted.

    The first two have batch and patch of their own (`loader.batch`, `loader.patch`), the others the
    schedule's.
    """
    return _throughput(cfg, folder / "scratch" / "files") | _share(cfg, folder)


# ---- samples a second --------------------------------------------------------------------------


class FileSamples(Dataset[Sample]):
    """The samples of a `SampleDataset` without degradation, out of files instead of its store.

    It is what loaders without a store do at their best (BasicSR's PairedImageDataset, for example):
    low resolution lies ready in files too, so that nothing has to be shrunk; both files are decoded
    by OpenCV, cropped and turned.

    Args:
        samples: Says which photograph, crop and turn.
        files: The photographs, in the order of the store.
        folder: Receives the low-resolution files, as PNG.
    """

    def __init__(self, samples: SampleDataset, files: list[Path], folder: Path) -> None:
        self.samples = samples
        self.hr_files = files
        self.lr_files = [folder / f"{index}.png" for index in range(len(files))]
        folder.mkdir(parents=True)
        for index, path in enumerate(self.lr_files):
            write_image(path, samples.store.lr(index))

    def __getitem__(self, k: int) -> Sample:
        index, top, left, element = self.samples.draw(k)
        patch, scale = self.samples.patch, self.samples.scale
        lr = self._crop(self.lr_files[index], top, left, patch, element)
        hr = self._crop(self.hr_files[index], top * scale, left * scale, patch * scale, element)
        strengths = np.zeros(len(self.samples.degradation.names), np.float32)
        return Sample(lr=lr, lr_clean=lr, hr=hr, degradation=strengths)

    def _crop(self, path: Path, top: int, left: int, side: int, element: int) -> UInt8:
        decoded: Any = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if decoded is None:
            raise ImageError(path, "OpenCV cannot decode it, so it cannot be compared with")
        return dihedral(decoded[top : top + side, left : left + side], element)


def _throughput(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    cfg = deepcopy(cfg)
    batch, ours_batches = cfg.loader.batch, 10 * cfg.measured_steps
    cfg.schedule.restoration.patch = cfg.loader.patch
    files = photographs.dataset(cfg)
    samples = photographs.samples(cfg, "restoration", files)
    usable = photographs.stage_dataset(cfg, "restoration", files).train
    decoding = FileSamples(samples, usable, folder)
    rates: dict[str, list[float]] = {"ours": [], "files": [], "copying": []}
    for _ in range(cfg.repeats):
        ours = build_loader(samples, batch, WARM_UP + ours_batches, workers=1)
        theirs = build_loader(decoding, batch, 2 + cfg.measured_steps // 5, workers=1)
        rates["ours"].append(batch * _rate(ours, WARM_UP))
        rates["files"].append(batch * _rate(theirs, 2))
        rates["copying"].append(_copying(samples, batch * cfg.measured_steps))
    return {
        limit: Figure.of(rates["ours"], rates[limit], "samples/s") for limit in ("files", "copying")
    }


def _rate(batches: DataLoader[Sample], warm_up: int) -> float:
    """Batches a second after the first ones."""
    start, number = 0.0, 0
    for number, _ in enumerate(batches, start=1):
        if number == warm_up:
            start = time.perf_counter()
    return (number - warm_up) / (time.perf_counter() - start)


def _copying(samples: SampleDataset, number: int) -> float:
    """Samples a second when their bytes are copied into one place, and nothing else is done."""
    patch, scale = samples.patch, samples.scale
    crops = []
    for k in range(number):
        index, top, left, _ = samples.draw(k)
        lr = samples.store.lr(index)[top : top + patch, left : left + patch]
        top, left, side = top * scale, left * scale, patch * scale
        crops.append((lr, samples.store.hr(index)[top : top + side, left : left + side]))
    lr_clean, lr, hr = (np.empty_like(crops[0][0]), *map(np.empty_like, crops[0]))
    times = []
    for _ in range(2):  # the second time everything is in memory
        start = time.perf_counter()
        for small, large in crops:
            np.copyto(lr_clean, small)
            np.copyto(lr, small)
            np.copyto(hr, large)
        times.append(time.perf_counter() - start)
    return number / times[-1]


# ---- share of the training step ----------------------------------------------------------------


class Waiting(Profiler):
    """Seconds from asking for a batch until it is there, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self._asked = 0.0

    def start(self, action_name: str) -> None:
        if action_name.endswith("train_dataloader_next"):
            self._asked = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name.endswith("train_dataloader_next"):
            self.seconds.append(time.perf_counter() - self._asked)


class Watched(pl.Callback):
    """Lets a profiler watch a training."""

    def __init__(self, profiler: Profiler) -> None:
        self.profiler = profiler

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        trainer.profiler = self.profiler  # type: ignore[attr-defined]  # set by its connector


def _share(cfg: DictConfig, folder: Path) -> dict[str, Figure]:
    cfg = short(cfg)
    files = photographs.dataset(cfg)
    steps = cfg.measured_steps
    found: dict[str, list[float]] = {"waited": [], "step": [], "loader_cores": [], "step_cores": []}
    with tracked(cfg, folder) as loggers:
        for repeat in range(cfg.repeats):
            waiting = Waiting()
            own = folder / "scratch" / f"share{repeat}"
            clock = train(cfg, "restoration", files, own, loggers, [Watched(waiting)])
            found["waited"].append(sum(waiting.seconds[WARM_UP:][:steps]))
            found["step"].append(clock.seconds)
            found["step_cores"].append(clock.core_seconds)
            found["loader_cores"].append(_core_seconds(cfg, files))
    milliseconds = 1000 / steps
    return {
        "waiting": Figure.of(found["waited"], found["step"], "ms", milliseconds),
        "cores": Figure.of(found["loader_cores"], found["step_cores"], "ms", milliseconds),
    }


def _core_seconds(cfg: DictConfig, files: Files) -> float:
    """Core-seconds of the measured steps' batches, made in this process and used for nothing."""
    cfg = deepcopy(cfg)
    cfg.trainer.workers = 0
    start = 0.0
    for number, _ in enumerate(photographs.loader(cfg, "restoration", files), start=1):
        if number == WARM_UP:
            start = time.process_time()
    return time.process_time() - start
