"""Images to evaluate on: high resolution as published, and the low resolution that goes with it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtlsr.data.images import ImageError, find_images, read_image
from mtlsr.data.resize import bicubic_downscale, crop_to_multiple

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class EvaluationPair:
    """One image at both resolutions; the sizes' ratio is the scale exactly."""

    name: str
    """File name of the high-resolution image, without suffix."""
    lr: UInt8
    """``(h, w, 3)``, RGB; a grey image is expanded, since networks take three channels."""
    hr: UInt8
    """``(scale*h, scale*w, 3)``, RGB; or two axes where the file is grey, and scored so."""


@dataclass(frozen=True)
class EvaluationSet:
    """Pairs that are decoded when asked for."""

    name: str
    hr_files: Sequence[Path]
    scale: int
    lr_files: Sequence[Path] | None = None
    """In the order of ``hr_files``; None: low resolution is made by the benchmark's bicubic."""

    def __post_init__(self) -> None:
        if self.lr_files is not None and len(self.lr_files) != len(self.hr_files):
            raise ValueError(
                f"{self.name} has {len(self.hr_files)} high-resolution files and "
                f"{len(self.lr_files)} low-resolution files: one for each is needed."
            )

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
        if self.lr_files is None:
            lr = bicubic_downscale(hr, self.scale)
        else:
            lr = self._given(Path(self.lr_files[index]), hr)
        if lr.ndim == 2:
            lr = np.repeat(lr[:, :, None], 3, axis=2)
        return EvaluationPair(path.stem, lr, hr)

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
        ValueError: no such folder, no images, or a high-resolution file without its LR file.
    """
    root = Path(root)
    hr_files = find_images(root / "HR" if (root / "HR").is_dir() else root)
    return EvaluationSet(root.name, hr_files, scale, published_lr(hr_files, scale))


def published_lr(hr_files: Sequence[Path], scale: int) -> list[Path] | None:
    """The low-resolution files that lie beside ``HR`` in ``LR_x<scale>``, in the same order.

    They have the names of the high-resolution files, or those with ``x<scale>`` at the end.

    Returns:
        None where the files are not in a folder ``HR``, or no such folder lies beside it.

    Raises:
        ValueError: a file has no partner.
    """
    folders = {path.parent for path in hr_files}
    if len(folders) != 1 or (home := folders.pop()).name != "HR":
        return None
    folder = home.parent / f"LR_x{scale}"
    if not folder.is_dir():
        return None
    by_stem = {path.stem: path for path in find_images(folder)}
    partners = []
    for path in hr_files:
        partner = by_stem.get(path.stem) or by_stem.get(f"{path.stem}x{scale}")
        if partner is None:
            raise ValueError(f"{path} has no low-resolution file of its name in {folder}.")
        partners.append(partner)
    return partners
