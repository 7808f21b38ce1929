"""Data sets by name: which files a run trains, validates and tests on."""

import hashlib
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from mtlsr.data import bundled, layouts
from mtlsr.data.acquisition.sources import SOURCES, data_folder
from mtlsr.data.catalogue import CARDS, NOT_STATED
from mtlsr.data.images import find_images
from mtlsr.data.pairs import EvaluationSet, check_sizes, given_lr, published_lr
from mtlsr.errors import UserError

Root = str | Path | None


@dataclass(frozen=True)
class Part:
    """One of the data sets that a mixture draws from."""

    count: int
    """How many of ``Dataset.train`` are its own."""
    weight: float
    """Above 0; over the sum of all parts' weights it is the probability that a sample is its."""


@dataclass(frozen=True)
class Dataset:
    """Files of one data set. A file is in one of the three lists only."""

    name: str
    train: list[Path]
    val: list[Path]
    test: list[Path]
    licence: str
    """As its authors state it."""
    citation: str
    """Where it comes from."""
    paired: frozenset[Path] = frozenset()
    """Files whose low resolution is a photograph, too, and lies beside them (``given_lr``)."""
    parts: tuple[Part, ...] = ()
    """Of a mixture: whose the files of ``train`` are, one part after the other."""

    def evaluation(self, split: Literal["val", "test"], scale: int) -> EvaluationSet:
        """The held-out images with their low resolution, published (``LR_x<scale>``) or made.

        Raises:
            ValueError: another split's name, one without images, or an LR file is missing.
            ImageError: an LR file of a real pair has another size than HR's over the scale.
        """
        if split not in ("val", "test"):
            raise UserError(f"split is {split!r}: 'val' or 'test' is needed.")
        files = self.val if split == "val" else self.test
        if not files:
            raise UserError(f"The data set {self.name} has no {split} images.")
        given = self.given_lr(files, scale)
        if given is None:
            return EvaluationSet(self.name, files, scale, published_lr(files, scale))
        pairs = [(hr, lr) for hr, lr in zip(files, given, strict=True) if lr is not None]
        check_sizes([hr for hr, _ in pairs], [lr for _, lr in pairs], scale)
        return EvaluationSet(self.name, files, scale, given)

    def given_lr(self, files: Sequence[Path], scale: int) -> list[Path | None] | None:
        """The low resolution of real pairs among these files, None for each of the others.

        Returns:
            None where there are no pairs at all.

        Raises:
            ValueError: a file without partner.
        """
        pairs = [path for path in files if path in self.paired]
        if not pairs:
            return None
        found = dict(zip(pairs, given_lr(pairs, scale), strict=True))
        return [found.get(path) for path in files]


def find_dataset(
    name: str,
    root: Root = None,
    val_root: Root = None,
    holdout: int = 3,
    fraction: float = 1.0,
    fraction_seed: int = 0,
) -> Dataset:
    """Look a data set up.

    Args:
        name: one of ``DATASETS``.
        root: folder of the images; None looks where ``python -m mtlsr.prepare`` puts them
            (``photos`` needs neither).
        val_root: folder of validation images, where the data set has none of its own.
        holdout: without ``val_root``, number of images that are held out to validate on, where the
            data set has none of its own.
        fraction, fraction_seed: see ``take_fraction``.

    Raises:
        ValueError: an unknown name, a missing root, a folder without enough images, or a fraction
            out of range.
    """
    if name not in DATASETS:
        raise UserError(f"There is no data set {name!r}; there are {', '.join(DATASETS)}.")
    return take_fraction(DATASETS[name](root, val_root, holdout), fraction, fraction_seed)


def take_fraction(data: Dataset, fraction: float, seed: int = 0) -> Dataset:
    """Keep a share of the training images: a random one, that lies inside every larger one.

    The images are ranked by a hash of seed and name, and the first are taken. So the place of the
    folder changes nothing, and the 5 % subset lies inside the 25 % one. Each part of a mixture
    gives its share, so that its weights keep their meaning. Validation and test images stay.

    Args:
        data: the whole of it.
        fraction: above 0 and at most 1; ceil(fraction * n) of n images are kept.
        seed: another one makes another subset.

    Raises:
        ValueError: a fraction out of range.
    """
    if not 0 < fraction <= 1:
        raise UserError(f"fraction is {fraction}: a number above 0 and at most 1 is needed.")
    if fraction == 1:
        return data
    train: list[Path] = []
    parts: list[Part] = []
    start = 0
    for part in data.parts or (Part(len(data.train), 1.0),):
        kept = _subset(data.train[start : start + part.count], fraction, seed)
        start += part.count
        train += kept
        parts.append(replace(part, count=len(kept)))
    return replace(data, train=train, parts=tuple(parts) if data.parts else ())


def mix(parts: Sequence[tuple[Dataset, float]]) -> Dataset:
    """One data set of several: a sample comes from each with a probability proportional to weight.

    Args:
        parts: data sets and their weights, above 0. Their order is part of a run's samples.

    Raises:
        ValueError: no parts, a weight out of range, a part without images to train on, or an image
            that one part trains on and another holds out.
    """
    if not parts:
        raise UserError("A mixture needs parts: data sets, each with its weight.")
    for data, weight in parts:
        if not (weight > 0 and math.isfinite(weight)):
            raise UserError(f"The weight of {data.name} is {weight}: a number above 0 is needed.")
        if not data.train:
            raise UserError(f"{data.name} has no photographs to train on, so none to mix.")
    sets = [data for data, _ in parts]
    mixed = Dataset(
        name="mixture",
        train=[path for data in sets for path in data.train],
        val=[path for data in sets for path in data.val],
        test=[path for data in sets for path in data.test],
        licence="; ".join(f"{data.name}: {data.licence}" for data in sets),
        citation="; ".join(f"{data.name}: {data.citation}" for data in sets),
        paired=frozenset().union(*(data.paired for data in sets)),
        parts=tuple(Part(len(data.train), float(weight)) for data, weight in parts),
    )
    held = {path.resolve() for path in (*mixed.val, *mixed.test)}
    for path in mixed.train:
        if path.resolve() in held:
            raise UserError(f"One part of the mixture trains on {path}, and another holds it out.")
    return mixed


def _photos(root: Root, val_root: Root, holdout: int) -> Dataset:
    everything = (*bundled.TRAIN, *bundled.VAL, *bundled.TEST)
    return Dataset(
        name="photos",
        train=[photograph.path for photograph in bundled.TRAIN],
        val=[photograph.path for photograph in bundled.VAL],
        test=[photograph.path for photograph in bundled.TEST],
        licence="; ".join(f"{photo.name}: {photo.licence}" for photo in everything),
        citation="; ".join(f"{photo.name}: {photo.source}" for photo in everything),
    )


def _folder(root: Root, val_root: Root, holdout: int) -> Dataset:
    home = _needed("folder", root)
    train, val = _held_out(home, find_images(home), val_root, holdout)
    return Dataset("folder", train, val, [], licence=NOT_STATED, citation=str(root))


def _pairs(root: Root, val_root: Root, holdout: int) -> Dataset:
    home = _needed("pairs", root)
    outside = None if val_root is None else Path(val_root) / "HR"
    train, val = _held_out(home, find_images(home / "HR"), outside, holdout)
    paired = frozenset((*train, *val))
    return Dataset("pairs", train, val, [], NOT_STATED, citation=str(root), paired=paired)


def _named(
    name: str, split: Callable[[Path], layouts.Split]
) -> Callable[[Root, Root, int], Dataset]:
    """A published data set to train on."""

    def build(root: Root, val_root: Root, holdout: int) -> Dataset:
        home = _needed(name, root)
        train, val = split(home)
        if not val:
            train, val = _held_out(home, train, val_root, holdout)
        card = CARDS[name]
        return Dataset(name, train, val, [], card.licence, card.citation)

    return build


def _df2k(root: Root, val_root: Root, holdout: int) -> Dataset:
    if root is None and all((data_folder() / part).is_dir() for part in SOURCES["df2k"].parts):
        root = data_folder()
    return _named("df2k", layouts.df2k)(root, val_root, holdout)


def _benchmark(name: str) -> Callable[[Root, Root, int], Dataset]:
    """A published data set to test on."""

    def build(root: Root, val_root: Root, holdout: int) -> Dataset:
        files = layouts.benchmark(_needed(name, root), name)
        card = CARDS[name]
        return Dataset(name, [], [], files, card.licence, card.citation)

    return build


DATASETS: dict[str, Callable[[Root, Root, int], Dataset]] = {
    "photos": _photos,
    "folder": _folder,
    **{name: _benchmark(name) for name in layouts.BENCHMARKS},
    "t91": _named("t91", layouts.plain),
    "bsds400": _named("bsds400", layouts.bsds400),
    "cid22": _named("cid22", layouts.cid22),
    "clic2025": _named("clic2025", layouts.plain),
    "div2k": _named("div2k", layouts.div2k),
    "flickr2k": _named("flickr2k", layouts.flickr2k),
    "df2k": _df2k,
    "pairs": _pairs,
}
"""Every data set; ``mix`` makes one of several. ``layouts`` says what may lie in their folders."""


def _needed(name: str, root: Root) -> Path:
    """The folder of a data set: the one given, or the prepared one."""
    if root is not None:
        return Path(root)
    prepared = data_folder() / name
    source = SOURCES.get(name)
    if source is not None and prepared.is_dir():
        return prepared
    missing = f"The data set {name} needs root, the folder that holds its images: "
    if source is None:
        raise UserError(f"{missing}dataset.root=<folder>.")
    if source.archives or source.parts:
        fetch = f"python -m mtlsr.prepare dataset={name} fetches them"
        raise UserError(f"{missing}{fetch}, or give dataset.root=<folder>.")
    raise UserError(f"{missing}dataset.root=<folder>. {source.where}")


def _held_out(home: Path, files: list[Path], val_root: Root, holdout: int) -> layouts.Split:
    """Files to train on, and those in ``val_root`` or ``holdout`` of these to validate on."""
    if val_root is not None:
        val = find_images(val_root)
        outside = {path.resolve() for path in val}
        train = [path for path in files if path.resolve() not in outside]
    else:
        if holdout < 0:
            raise UserError(f"holdout is {holdout}: a whole number from 0 is needed.")
        ranked = sorted(files, key=lambda path: _lot("holdout 0", path.name))
        held = set(ranked[:holdout])
        val = [path for path in files if path in held]
        train = [path for path in files if path not in held]
    if not train:
        raise UserError(f"No image of {home} is left to train on: {len(val)} are held out.")
    return train, val


def _subset(files: list[Path], fraction: float, seed: int) -> list[Path]:
    """The first of the files' ranking, in the order of ``files``."""
    times = Counter(path.name for path in files)
    above = Path(os.path.commonpath([path.parent for path in files])) if files else Path()
    lots = {}
    for path in files:
        # Where names repeat (scene1/im1.png, scene2/im1.png), the folders tell them apart.
        name = path.name if times[path.name] == 1 else path.relative_to(above).as_posix()
        lots[path] = _lot(f"fraction {seed}", name)
    count = math.ceil(Fraction(str(fraction)) * len(files))  # exact: 0.07 of 100 are 7, not 8
    kept = set(sorted(files, key=lots.__getitem__)[:count])
    return [path for path in files if path in kept]


def _lot(draw: str, name: str) -> bytes:
    """A hash of a name: where its folder lies, and what else is in it, changes no lot."""
    return hashlib.sha256(os.fsencode(f"mtlsr {draw} {name}")).digest()
