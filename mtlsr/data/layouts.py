"""Where the images of the published data sets lie below a folder, however they were unpacked.

Each function takes the folder that a user names and returns the files to train and to validate on.
The order of the files is part of a run's samples: it follows the names, not the folders.
"""

import re
from pathlib import Path

from mtlsr.data.images import find_images, natural_key
from mtlsr.errors import UserError

Split = tuple[list[Path], list[Path]]

BSDS_AND_SET5 = "302003"
"""An image of BSDS500's training part that is also in Set5; nothing may train on it."""

BENCHMARKS = {
    "set5": ("Set5",),
    "set14": ("Set14",),
    "b100": ("B100", "BSD100", "BSDS100"),
    "urban100": ("Urban100",),
    "manga109": ("Manga109",),
    "kodak24": ("Kodak24", "Kodak"),
}
"""Data sets to test on, and what their folders are called."""


def plain(root: Path) -> Split:
    """All images of a folder; or those in ``train``, and in ``val`` or ``valid``, where it is so.

    Raises:
        ValueError: no such folder, or no images in it.
    """
    if not (root / "train").is_dir():
        return find_images(root), []
    val = _first(root, "val", "valid")
    return find_images(root / "train"), find_images(val) if val else []


def bsds400(root: Path) -> Split:
    """The training and test images of BSDS500, as published or in one flat folder.

    Its 100 validation images are the benchmark B100 and are not taken: a flat folder must hold none
    of them.
    """
    for below in ("", "images", "data/images", "BSDS500/data/images", "BSR/BSDS500/data/images"):
        home = root / below
        if (home / "train").is_dir() and (home / "test").is_dir():
            files = [*find_images(home / "train"), *find_images(home / "test")]
            break
    else:
        files = find_images(root)
    kept = [path for path in files if path.stem != BSDS_AND_SET5]
    return sorted(kept, key=lambda path: natural_key(Path(path.name))), []


def cid22(root: Path) -> Split:
    """The reference images of CID22; the compressed ones may lie beside them."""
    return plain(_first(root, "original", "CID22_validation_set/original") or root)


def div2k(root: Path) -> Split:
    """DIV2K's 0001 to 0800 to train on and 0801 to 0900 to validate on.

    They lie in ``DIV2K_train_HR`` and ``DIV2K_valid_HR``, in the folder or in ``DIV2K`` below it,
    or all in one folder. Pieces of them (``0001_s001.png``) go with their photograph.

    Raises:
        ValueError: no such folder, no images, or a file that has no name of DIV2K.
    """
    for home in (root, root / "DIV2K"):
        halves = [home / "DIV2K_train_HR", home / "DIV2K_valid_HR"]
        if any(half.is_dir() for half in halves):
            files = [path for half in halves if half.is_dir() for path in find_images(half)]
            break
    else:
        files = find_images(root)
    train: list[Path] = []
    val: list[Path] = []
    for path in files:
        name = re.fullmatch(r"(\d{4})(_s\d+)?", path.stem)
        if name is None or not 1 <= int(name[1]) <= 900:
            raise UserError(f"{path} is no high-resolution file of DIV2K: they are 0001 to 0900.")
        (train if int(name[1]) <= 800 else val).append(path)
    return train, val


def flickr2k(root: Path) -> Split:
    """Flickr2K's 2650 images: in ``Flickr2K_HR``, maybe in ``Flickr2K`` above it, or flat."""
    home = _first(root, "Flickr2K_HR", "Flickr2K/Flickr2K_HR", "Flickr2K") or root
    return find_images(home), []


def df2k(root: Path) -> Split:
    """DIV2K and Flickr2K below one folder, each in folders of its own; DIV2K's validation images.

    Raises:
        ValueError: one of the two is not there, or is not what it should be.
    """
    first = root if (root / "DIV2K_train_HR").is_dir() else _first(root, "DIV2K", "div2k")
    second = _first(root, "Flickr2K_HR", "Flickr2K", "flickr2k")
    if first is None or second is None:
        lacking = "DIV2K" if first is None else "Flickr2K"
        raise UserError(f"{root} holds no {lacking}: DF2K is DIV2K_train_HR and Flickr2K_HR.")
    train, val = div2k(first)
    return [*train, *flickr2k(second)[0]], val


def benchmark(root: Path, name: str | None = None) -> list[Path]:
    """The high resolution of a benchmark: in ``HR``, maybe in a folder of its name, or flat."""
    home = (name and benchmark_folder(root, name)) or root
    return find_images(_first(home, "HR") or home)


def benchmark_folder(root: Path, name: str) -> Path | None:
    """The folder of a benchmark below one that holds several, its name in any case.

    Returns:
        None where it is not there.
    """
    inside = root.iterdir() if root.is_dir() else ()
    below = {path.name.casefold(): path for path in inside if path.is_dir()}
    names = (called.casefold() for called in BENCHMARKS[name])
    return next((below[called] for called in names if called in below), None)


def _first(root: Path, *below: str) -> Path | None:
    """The first of these folders that is there."""
    return next((root / name for name in below if (root / name).is_dir()), None)
