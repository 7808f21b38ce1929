"""Images to evaluate on: high resolution as published, and the low resolution that goes with it.

Real pairs, whose low resolution is a photograph, too, are matched here for training as well.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtlsr.data.images import ImageError, as_rgb, find_images, read_header, read_image
from mtlsr.data.resize import bicubic_downscale, crop_to_multiple
from mtlsr.errors import UserError

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class EvaluationPair:
    """One image at both resolutions; the sizes' ratio is the scale exactly."""

    name: str
    """What it is called in its set: see ``EvaluationSet.names``."""
    lr: UInt8
    """``(h, w, 3)``, RGB; a grey image is expanded, since networks take three channels."""
    hr: UInt8
    """``(scale*h, scale*w, 3)``, RGB; or two axes where the file is grey, and scored so."""
    dataset: str = ""
    """Name of the set that it is from."""

    @property
    def scale(self) -> int:
        """How many times larger the high resolution is."""
        return self.hr.shape[0] // self.lr.shape[0]


@dataclass(frozen=True)
class EvaluationSet:
    """Pairs that are decoded when asked for."""

    name: str
    hr_files: Sequence[Path]
    scale: int
    lr_files: Sequence[Path | None] | None = None
    """In the order of ``hr_files``; None: low resolution is made by the benchmark's bicubic."""

    def __post_init__(self) -> None:
        if self.lr_files is not None and len(self.lr_files) != len(self.hr_files):
            raise ValueError(
                f"{self.name} has {len(self.hr_files)} high-resolution files and "
                f"{len(self.lr_files)} low-resolution files: one for each is needed."
            )

    @cached_property
    def names(self) -> list[str]:
        """A name of its own for each image, in the order of ``hr_files``.

        That is its file's, without suffix; where two files have the same, the folders below the one
        that they have in common stand before it, and where that is not enough, a number.
        """
        paths = [Path(path).absolute() for path in self.hr_files]
        names = [path.stem for path in paths]
        if len(set(names)) == len(names):
            return names
        with suppress(ValueError):  # on Windows: they have no folder in common, but drives
            home = os.path.commonpath([path.parent for path in paths])
            names = ["_".join(path.relative_to(home).with_suffix("").parts) for path in paths]
        if len(set(names)) == len(names):
            return names
        return [f"{number}_{name}" for number, name in enumerate(names)]

    def __len__(self) -> int:
        return len(self.hr_files)

    def __iter__(self) -> Iterator[EvaluationPair]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> EvaluationPair:
        """Decode pair ``index``; HR is cropped at the bottom and right to a multiple of the scale.

        Raises:
            ImageError: a file cannot be decoded, is smaller than the scale, or the LR file's size
                is not HR's over the scale.
        """
        path = Path(self.hr_files[index])
        stored = read_image(path, grey="keep")
        if min(stored.shape[:2]) < self.scale:
            size = "x".join(map(str, stored.shape[:2]))
            raise ImageError(path, f"its {size} pixels are too few for scale {self.scale}")
        hr = crop_to_multiple(stored, self.scale)
        given = None if self.lr_files is None else self.lr_files[index]
        lr = bicubic_downscale(hr, self.scale) if given is None else self._given(Path(given), hr)
        return EvaluationPair(self.names[index], as_rgb(lr), hr, self.name)

    def _given(self, path: Path, hr: UInt8) -> UInt8:
        lr = read_image(path)
        wanted = (hr.shape[0] // self.scale, hr.shape[1] // self.scale)
        if lr.shape[:2] != wanted:
            raise ImageError(
                path,
                f"it has {lr.shape[0]}x{lr.shape[1]} pixels, but its high-resolution image needs "
                f"{wanted[0]}x{wanted[1]} at scale {self.scale}",
            )
        return lr


def benchmark_set(root: str | Path, scale: int) -> EvaluationSet:
    """The evaluation set in a folder: ``HR`` and maybe ``LR_x<scale>`` in it, or plain images.

    Args:
        root: the folder; its name becomes the set's.
        scale: 1 to 16.

    Raises:
        ValueError: no such folder, no images, or a file of either resolution without its partner.
    """
    root = Path(root)
    hr_files = find_images(root / "HR" if (root / "HR").is_dir() else root)
    return EvaluationSet(root.name, hr_files, scale, published_lr(hr_files, scale))


def published_lr(hr_files: Sequence[Path], scale: int) -> list[Path] | None:
    """The low-resolution files that lie beside ``HR``, in the same order.

    They lie in ``LR_x<scale>`` or, as the authors of EDSR pack them, in ``LR_bicubic/X<scale>``.
    They have the names of the high-resolution files, or those with ``x<scale>`` at the end.

    Returns:
        None where the files are not in a folder ``HR``, or no such folder lies beside it.

    Raises:
        ValueError: a file has no partner, or one of low resolution has none in ``HR``.
    """
    folders = {path.parent for path in hr_files}
    if len(folders) != 1 or (home := folders.pop()).name != "HR":
        return None
    folder = _beside(home, f"LR_x{scale}", f"LR_bicubic/X{scale}")
    if folder is None:
        return None
    by_stem = {path.stem: path for path in find_images(folder)}
    partners = []
    for path in hr_files:
        partner = by_stem.get(path.stem) or by_stem.get(f"{path.stem}x{scale}")
        if partner is None:
            raise UserError(f"{path} has no low-resolution file of its name in {folder}.")
        partners.append(partner)
    everything = {path.stem for path in find_images(home)}
    for stem, path in by_stem.items():
        if not everything & {stem, stem.removesuffix(f"x{scale}")}:
            raise UserError(f"{path} has no high-resolution file of its name in {home}.")
    return partners


def given_lr(hr_files: Sequence[Path], scale: int) -> list[Path]:
    """The low resolution of real pairs: files in ``LR_x<scale>`` or ``LR`` beside ``HR``.

    Partners have the same name, folders below ``HR`` included, but for the suffix and for what says
    which of the two they are: ``_HR`` at the end of one; ``x4``, ``_x4``, ``_LR`` or ``_LR4`` (for
    scale 4) at the end of the other.

    Args:
        hr_files: files in one or several folders ``HR``, or below them.
        scale: of the two.

    Returns:
        Low-resolution files in the order of ``hr_files``.

    Raises:
        ValueError: no folder of low resolution, or a file on either side without partner, or with
            two of them.
    """
    homes = {path: _home(path) for path in hr_files}
    partners: dict[Path, Path] = {}
    for home in dict.fromkeys(homes.values()):
        partners |= _partners(home, scale)
    return [partners[path] for path in hr_files]


def check_sizes(hr_files: Sequence[Path], lr_files: Sequence[Path], scale: int) -> None:
    """Refuse real pairs of which high resolution is not ``scale`` times low resolution exactly.

    Headers tell, so that a wrong size shows before thousands of files are decoded.

    Raises:
        ImageError: the first such pair, with both sizes; or a file that cannot be read.
    """
    for hr_file, lr_file in zip(hr_files, lr_files, strict=True):
        high, low = read_header(hr_file), read_header(lr_file)
        if (high.height, high.width) != (scale * low.height, scale * low.width):
            # A turn that a camera noted swaps the two sides of a header: then the pixels tell.
            check_size(lr_file, read_image(lr_file), read_image(hr_file), scale)


def check_size(lr_file: Path, lr: UInt8, hr: UInt8, scale: int) -> None:
    """Refuse a real pair, both uint8 ``(H, W, 3)``, unless one is ``scale`` times the other.

    Raises:
        ImageError: it is not; names ``lr_file`` and both sizes.
    """
    if hr.shape[:2] != (scale * lr.shape[0], scale * lr.shape[1]):
        raise ImageError(
            lr_file,
            f"it has {lr.shape[0]}x{lr.shape[1]} pixels, and its high-resolution image "
            f"{hr.shape[0]}x{hr.shape[1]}, which is not {scale} times as many each way",
        )


def _home(path: Path) -> Path:
    """The folder ``HR`` that a file lies in."""
    for folder in path.parents:
        if folder.name == "HR":
            return folder
    raise UserError(f"{path} lies in no folder HR, beside which its low resolution would be.")


def _partners(home: Path, scale: int) -> dict[Path, Path]:
    """Low resolution of every file in a folder ``HR``; neither side may have a file too many."""
    folder = _beside(home, f"LR_x{scale}", "LR")
    if folder is None:
        raise UserError(f"{home.parent} has neither LR_x{scale} nor LR beside HR.")
    files = find_images(folder)
    exact = {path.relative_to(folder).with_suffix(""): path for path in files}
    ending = rf"(?<=.)([_-]LR(x?{scale})?|[_-]?x{scale})$"
    plain = {_without(ending, name): path for name, path in exact.items()}
    partners: dict[Path, Path] = {}
    for path in find_images(home):
        name = path.relative_to(home).with_suffix("")
        partner = exact.get(name) or plain.get(_without(r"(?<=.)[_-]HR$", name))
        if partner is None:
            raise UserError(f"{path} has no low-resolution file of its name in {folder}.")
        partners[path] = partner
    owners = {partner: path for path, partner in partners.items()}
    for path in files:
        if path not in owners:
            raise UserError(f"{path} has no high-resolution file of its name alone in {home}.")
    for path, partner in partners.items():
        if owners[partner] != path:
            both = f"{path} and {owners[partner]}"
            raise UserError(f"{both} have one low-resolution file: {partner}.")
    return partners


def _without(ending: str, name: Path) -> Path:
    return name.with_name(re.sub(ending, "", name.name, flags=re.IGNORECASE))


def _beside(home: Path, *names: str) -> Path | None:
    """The first of these folders that lies beside another."""
    return next((home.parent / name for name in names if (home.parent / name).is_dir()), None)
