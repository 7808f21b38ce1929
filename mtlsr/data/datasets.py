"""Data sets by name: which files a run trains, validates and tests on."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mtlsr.data import bundled
from mtlsr.data.images import find_images
from mtlsr.data.pairs import EvaluationSet, published_lr

Root = str | Path | None


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

    def evaluation(self, split: Literal["val", "test"], scale: int) -> EvaluationSet:
        """The held-out images with their low resolution, published (``LR_x<scale>``) or made.

        Raises:
            ValueError: another split's name, one without images, or an LR file is missing.
        """
        if split not in ("val", "test"):
            raise ValueError(f"split is {split!r}: 'val' or 'test' is needed.")
        files = self.val if split == "val" else self.test
        if not files:
            raise ValueError(f"The data set {self.name} has no {split} images.")
        return EvaluationSet(self.name, files, scale, published_lr(files, scale))


def find_dataset(name: str, root: Root = None, val_root: Root = None, holdout: int = 3) -> Dataset:
    """Look a data set up.

    Args:
        name: one of ``DATASETS``.
        root: folder of the images; every data set but ``photos`` needs it.
        val_root: ``folder`` only: folder of the validation images.
        holdout: ``folder`` only: without ``val_root``, number of images that are held out.

    Raises:
        ValueError: an unknown name, a missing root, or a folder without enough images.
    """
    if name not in DATASETS:
        raise ValueError(f"There is no data set {name!r}; there are {', '.join(DATASETS)}.")
    return DATASETS[name](root, val_root, holdout)


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
    train = find_images(_needed("folder", root))
    if val_root is not None:
        val = find_images(val_root)
        held = {path.resolve() for path in val}
        train = [path for path in train if path.resolve() not in held]
    else:
        if holdout < 0:
            raise ValueError(f"holdout is {holdout}: a whole number from 0 is needed.")
        ranked = sorted(train, key=_lot)
        held = set(ranked[:holdout])
        val = [path for path in train if path in held]
        train = [path for path in train if path not in held]
    if not train:
        raise ValueError(f"No image of {root} is left to train on: {len(val)} are held out.")
    return Dataset("folder", train, val, [], licence="not stated", citation=str(root))


def _benchmark(name: str, citation: str) -> Callable[[Root, Root, int], Dataset]:
    def build(root: Root, val_root: Root, holdout: int) -> Dataset:
        folder = _needed(name.lower(), root)
        if (folder / name).is_dir():
            folder = folder / name
        files = find_images(folder / "HR" if (folder / "HR").is_dir() else folder)
        return Dataset(name.lower(), [], [], files, licence="not stated", citation=citation)

    return build


DATASETS: dict[str, Callable[[Root, Root, int], Dataset]] = {
    "photos": _photos,
    "folder": _folder,
    "set5": _benchmark(
        "Set5",
        "Bevilacqua et al., Low-Complexity Single-Image Super-Resolution based on Nonnegative "
        "Neighbor Embedding, BMVC 2012",
    ),
    "set14": _benchmark(
        "Set14",
        "Zeyde et al., On Single Image Scale-Up using Sparse-Representations, "
        "Curves and Surfaces 2010",
    ),
    "b100": _benchmark(
        "B100",
        "Martin et al., A Database of Human Segmented Natural Images, ICCV 2001 (100 test images)",
    ),
}
"""Every data set. Benchmarks take the folder that holds ``HR``, or the one above it."""


def _needed(name: str, root: Root) -> Path:
    if root is None:
        raise ValueError(f"The data set {name} needs root, the folder that holds its images.")
    return Path(root)


def _lot(path: Path) -> bytes:
    """A hash of the name: where the folder lies, and what else is in it, changes no lot."""
    return hashlib.sha256(f"mtlsr holdout 0 {path.name}".encode()).digest()
