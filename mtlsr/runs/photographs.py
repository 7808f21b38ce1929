"""From the configuration to photographs: data sets, their stores, samples and loaders."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import platformdirs
from omegaconf import DictConfig
from torch.utils.data import DataLoader

from mtlsr.data.datasets import Dataset, find_dataset, mix, take_fraction
from mtlsr.data.degradation import DEGRADATIONS, Degradation
from mtlsr.data.images import ImageError
from mtlsr.data.inspection.screening import Decoded, only, screen
from mtlsr.data.loader import build_loader
from mtlsr.data.pairs import EvaluationSet
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store
from mtlsr.runs import hardware
from mtlsr.runs.schema import STAGES, ConfigError, StageName, plain

STREAMS = {"realism": 1, "restoration": 2, "validation": 3, "reading": 4}
"""Streams of random numbers of one seed: no two stages see the same draws."""


def dataset(cfg: DictConfig) -> Dataset:
    """The files of `dataset`."""
    return _named(cfg.dataset, "dataset")


def stage_dataset(cfg: DictConfig, stage: StageName, files: Dataset) -> Dataset:
    """The files that a stage can use of `files`, those of `dataset`; or a stage 1's own ones.

    Raises:
        ConfigError: `dataset.realism` trains on what `files` hold out.
        UserError: Some files cannot be used, and `unusable` is `refuse`; or none can.
    """
    return _stage_files(cfg, stage, files)[0]


def left_out(cfg: DictConfig, files: Dataset) -> list[ImageError]:
    """What is wrong with the files that the run's stages leave out (`dataset.unusable=skip`)."""
    errors = [error for stage in cfg.stages for error in _stage_files(cfg, stage, files)[1]]
    return list({str(error): error for error in errors}.values())


def stage_store(
    cfg: DictConfig, stage: StageName, files: Dataset, split: Literal["train", "val"] = "train"
) -> Store:
    """The decoded photographs of `stage_dataset` that a stage trains on, or is validated on."""
    paths = files.train if split == "train" else files.val
    own = _realism(cfg) if stage == "realism" else None
    shrunk = (own or cfg.dataset).shrunk if split == "train" else ()
    if own is not None and not own.downscale:
        return Store.open(paths, 1, cache_folder(cfg), shrunk=shrunk)
    given = files.given_lr(paths, cfg.scale)
    return Store.open(paths, cfg.scale, cache_folder(cfg), given, shrunk)


def fingerprint(cfg: DictConfig, files: Dataset) -> str:
    """A hash of all pixels that the run's stages train on."""
    stages = [stage for stage in STAGES if stage in cfg.stages]
    found = [stage_store(cfg, stage, stage_dataset(cfg, stage, files)) for stage in stages]
    hashes = list(dict.fromkeys(each.fingerprint for each in found))
    return hashes[0] if len(hashes) == 1 else sha256(" ".join(hashes).encode()).hexdigest()


def _stage_files(
    cfg: DictConfig, stage: StageName, files: Dataset
) -> tuple[Dataset, list[ImageError]]:
    """The usable files of a stage, and what is wrong with the others."""
    own = _realism(cfg) if stage == "realism" else None
    if own is not None:
        out = [*files.val, *files.test]
        lr = filter(None, files.given_lr(out, cfg.scale) or ())
        held = {path.resolve() for path in (*out, *lr)}
        files = _named(own, "dataset.realism")
        for path in files.train:
            if path.resolve() in held:
                raise ConfigError(
                    f"dataset.realism would train on {path}, which dataset holds out."
                )
    scale = 1 if own is not None and not own.downscale else cfg.scale
    least = scale * cfg.schedule[stage].patch
    pixels = {"train": least, "val": least if stage == "realism" else scale}
    return _usable(cfg, files, pixels, own or cfg.dataset)


def _usable(
    cfg: DictConfig,
    files: Dataset,
    least: Mapping[str, int],
    node: DictConfig,
    decoding: bool = False,
) -> tuple[Dataset, list[ImageError]]:
    """Files with at least so many pixels each way, by split; `node` says what becomes of others.

    With `decoding` all of them are decoded; else that is left to the store where one is enough to
    refuse them all.
    """
    choice = node.unusable
    decoding = decoding or choice == "skip"
    decoded = Decoded(cache_folder(cfg).parent / "decoded.json") if decoding else None
    kept: dict[str, list[Path]] = {}
    errors: list[ImageError] = []
    for split, pixels in least.items():
        kept[split], found = screen(getattr(files, split), pixels, choice, decoded)
        errors += found
    return only(files, kept), errors


def _realism(cfg: DictConfig) -> DictConfig | None:
    """Stage 1's own choice of photographs; None where it takes stage 2's."""
    return None if cfg.dataset.realism.name == "same" else cfg.dataset.realism


def _named(own: DictConfig, key: str) -> Dataset:
    """The data set that a node, which stands at `key`, describes."""
    share = own.get("fraction", 1.0), own.get("fraction_seed", 0)
    parts = own.get("parts") or []
    if parts and own.name != "mixture":
        raise ConfigError(f"{key}.name is {own.name!r}, but {key}.parts is for a mixture only.")
    if own.name == "mixture" and not parts:
        raise ConfigError(
            f"{key}.parts is empty; a mixture is made of data sets: "
            f"{key}.parts=[{{name: cid22, weight: 2}}, {{name: div2k}}]"
        )
    try:
        if parts:
            found = [_named(part, f"{key}.parts.{index}") for index, part in enumerate(parts)]
            mixed = mix([(data, part.weight) for data, part in zip(found, parts, strict=True)])
            return take_fraction(mixed, *share)
        return find_dataset(own.name, own.root, own.val_root, own.holdout, *share)
    except ValueError as error:
        if key == "dataset" or "dataset.root" not in str(error):
            raise
        # The floors below know of one data set, whose folder is dataset.root.
        raise ConfigError(str(error).replace("dataset.root", f"{key}.root")) from error


def cache_folder(cfg: DictConfig) -> Path:
    """Where decoded photographs are kept: below `cache`, else where the system keeps such."""
    base = cfg.cache or platformdirs.user_cache_path("mtlsr", appauthor=False)
    return Path(base) / "photographs"


def degradation(generator: DictConfig) -> Degradation:
    """A degradation at the configured ranges.

    Raises:
        ConfigError: An unknown kind, or a value that it refuses.
    """
    values = plain(generator)
    values.pop("realism", None)
    kind = values.pop("name")
    if kind not in DEGRADATIONS:
        raise ConfigError(
            f"The degradation's name is {kind!r}; it is one of {', '.join(DEGRADATIONS)}."
        )
    try:
        return DEGRADATIONS[kind](**values)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"degradation {kind}: {error}") from error


def strengths(cfg: DictConfig) -> tuple[str, ...]:
    """Names of the realism vector's entries: those of stage 1's generator."""
    return degradation(cfg.degradation.realism).names


def samples(
    cfg: DictConfig, stage: StageName, files: Dataset, deferred: bool = False
) -> SampleDataset:
    """The endless training samples of a stage; `files` are those of `dataset`.

    `deferred` leaves a degradation that can be done in batches to the training device.
    """
    realism = stage == "realism"
    spoiled = degradation(cfg.degradation.realism if realism else cfg.degradation)
    return _samples(cfg, stage, files, spoiled, STREAMS[stage], not realism, deferred)


def degraded_samples(cfg: DictConfig, files: Dataset) -> SampleDataset:
    """Low resolutions of stage 2's photographs, by its patches, degraded as stage 1's are."""
    spoiled = degradation(cfg.degradation.realism)
    return _samples(cfg, "restoration", files, spoiled, STREAMS["reading"], with_hr=False)


def _samples(
    cfg: DictConfig,
    stage: StageName,
    files: Dataset,
    spoiled: Degradation,
    stream: int,
    with_hr: bool,
    deferred: bool = False,
) -> SampleDataset:
    """Samples of the photographs that a stage trains on."""
    files = stage_dataset(cfg, stage, files)
    if not files.train:
        raise ConfigError(
            f"dataset {files.name!r} has no photographs to train on; it is there to evaluate with."
        )
    own = (_realism(cfg) if stage == "realism" else None) or cfg.dataset
    photographs = stage_store(cfg, stage, files)
    return SampleDataset(
        photographs,
        cfg.schedule[stage].patch,
        cfg.seed,
        spoiled,
        stream=stream,
        with_hr=with_hr,
        balance=own.balance,
        parts=[(part.count, part.weight) for part in files.parts],
        deferred=deferred and spoiled.batched,
    )


def loader(
    cfg: DictConfig, stage: StageName, files: Dataset, start: int = 0, rank: int = 0, world: int = 1
) -> DataLoader[Any]:
    """The batches of a stage, from step `start` on."""
    return build_loader(
        samples(cfg, stage, files, deferred=True),
        cfg.schedule[stage].batch,
        cfg.schedule[stage].steps,
        start=start,
        workers=workers(cfg),
        rank=rank,
        world=world,
        pin_memory=hardware.device(cfg).type == "cuda",
    )


def workers(cfg: DictConfig) -> int:
    """Loader processes: as asked, or none on a CPU and four beside a GPU."""
    if cfg.trainer.workers is not None:
        return int(cfg.trainer.workers)
    return 0 if hardware.device(cfg).type == "cpu" else 4


def validation_loader(cfg: DictConfig, stage: StageName, files: Dataset) -> DataLoader[Any]:
    """Held-out photographs: degraded patches for stage 1, whole images for stage 2."""
    files = stage_dataset(cfg, stage, files)
    if stage == "restoration":
        pairs: Any = files.evaluation("val", cfg.scale)
        return DataLoader(pairs, batch_size=1, collate_fn=list)
    photographs = stage_store(cfg, stage, files, "val")
    held_out = SampleDataset(
        photographs,
        cfg.schedule.realism.patch,
        seed=0,  # the same patches for every run
        degradation=degradation(cfg.degradation.realism),
        stream=STREAMS["validation"],
        with_hr=False,
    )
    return build_loader(held_out, batch=32, steps=4)


def held_out(cfg: DictConfig, files: Dataset, decoding: bool = False) -> list[EvaluationSet]:
    """The photographs that a finished model is measured on: test, and by its own name val.

    Args:
        cfg: A training's configuration, or one with its data set.
        files: Those of `dataset`.
        decoding: Whether all of them are decoded now, once, to know that they can be.

    Raises:
        UserError: Some of them cannot be used, and `unusable` is `refuse`; or none can.
    """
    least = {"val": cfg.scale, "test": cfg.scale}
    files, _ = _usable(cfg, files, least, cfg.dataset, decoding)
    sets = []
    if files.test:
        sets.append(files.evaluation("test", cfg.scale))
    if files.val:
        val = files.evaluation("val", cfg.scale)
        sets.append(replace(val, name=f"{val.name}-val"))
    return sets
