"""A folder of images that another program made."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from mtlsr.data.images import ImageError, find_images, read_image
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.errors import UserError, listed
from mtlsr.inference.methods.base import Method, UInt8


class Images(Method):
    """Finds the enlarged image of each pair by its name.

    A file belongs to the image of its own stem, or to the one whose stem its own begins with:
    `baby.png`, `baby_x4.png` and `babyx4.png` are what was made of `baby.png`. Of several data sets
    each may have a folder of its name: `Set5/baby.png`.

    Args:
        folder: Where the images lie.

    Raises:
        ValueError: No such folder, or no image in it.
    """

    timed = False

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._files = find_images(self.folder)
        self._found: dict[tuple[str, str], Path] = {}

    def prepare(self, sets: Iterable[EvaluationSet]) -> None:
        for images in sets:
            found = self._matched(images.name, images.names)
            missing = [name for name in images.names if name not in found]
            if missing:
                raise UserError(f"images:{self.folder} lacks {listed(missing)} of {images.name}.")
            self._found |= {(images.name, name): path for name, path in found.items()}

    def __call__(self, pairs: Sequence[EvaluationPair]) -> list[UInt8]:
        return [self._read(pair) for pair in pairs]

    def _matched(self, dataset: str, stems: Sequence[str]) -> dict[str, Path]:
        own = [path for path in self._files if self._home(path) == dataset.lower()]
        owners: dict[str, list[Path]] = {}
        for path in own or self._files:
            if (owner := _owner(path.stem, stems)) is not None:
                owners.setdefault(owner, []).append(path)
        for stem, (first, *others) in owners.items():
            if others:
                raise UserError(
                    f"images:{self.folder} has two images for {stem} of {dataset}: "
                    f"{first} and {others[0]}."
                )
        return {stem: path for stem, (path,) in owners.items()}

    def _home(self, path: Path) -> str:
        """The folder of a data set that a file lies in."""
        return path.relative_to(self.folder).parts[0].lower()

    def _read(self, pair: EvaluationPair) -> UInt8:
        path = self._found[pair.dataset, pair.name]
        image = read_image(path)
        if image.shape[:2] != pair.hr.shape[:2]:
            found, wanted = ("x".join(map(str, each.shape[:2])) for each in (image, pair.hr))
            raise ImageError(
                path,
                f"it has {found} pixels, and {wanted} are needed: those of HR, cut to a multiple "
                f"of the scale ({pair.scale})",
            )
        return image


def _owner(stem: str, stems: Sequence[str]) -> str | None:
    """The image that a file is made of: the one of its stem, or the longest that it begins with."""
    begun = [s for s in stems if re.fullmatch(re.escape(s) + r"([_-].*|x\d+)?", stem)]
    return max(begun, key=len, default=None)
