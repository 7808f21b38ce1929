"""Image files on their way through an `Upscaler`: which there are, read, written."""

import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from mtlsr.data.images import find_images, read_image
from mtlsr.errors import UserError
from mtlsr.inference.png import write_png
from mtlsr.inference.upscaler import DEEP, OWN_PROFILE


@dataclass
class Plan:
    """What becomes of the images that were asked for."""

    targets: dict[Path, Path] = field(default_factory=dict)
    """Source -> PNG file; no two sources have the same."""
    refused: list[str] = field(default_factory=list)
    """A sentence for each source that has no file of its own to go to."""


def plan(source: Path, output: Path) -> Plan:
    """Find the images of `source`, and where in `output` each goes: same folders, same stem, PNG.

    Args:
        source: An image file, or a folder of images; what lies in `output` is passed over.
        output: Folder, which need not exist.

    Raises:
        UserError: `source` does not exist or holds no image, `output` is a file or the folder of
            the originals themselves.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"output is {str(output)!r}, which is a file; a folder is needed.")
    if not source.exists():
        raise UserError(f"input is {str(source)!r}, which does not exist.")
    if source.is_file():
        originals, root = [source], source.parent
        if output.resolve() / f"{source.stem}.png" == source.resolve():
            raise UserError(f"output is {str(output)!r}, where the original itself would be lost.")
    else:
        if output.resolve() == source.resolve():
            raise UserError(f"output is {str(output)!r}, which is input; another folder is needed.")
        originals, root = _without(find_images(source), output), source
    found, owners = Plan(), dict[Path, Path]()
    for original in originals:
        target = (output / original.relative_to(root)).with_suffix(".png")
        owner = owners.setdefault(target, original)
        if owner == original:
            found.targets[original] = target
        else:
            found.refused.append(f"{original}: {target} is already taken by {owner.name}.")
    return found


def read_picture(path: Path) -> Image.Image:
    """Read an image upright as L, LA, RGB or RGBA, with its colour profile where that stays true.

    Raises:
        ImageError: See `mtlsr.data.images.read_image`.
    """
    picture = Image.fromarray(read_image(path, grey="keep"))
    with Image.open(path) as stored:
        if stored.has_transparency_data and stored.mode not in DEEP:
            upright = ImageOps.exif_transpose(stored)
            picture.putalpha(upright.convert("RGBA").getchannel("A"))
        if stored.mode in OWN_PROFILE and "icc_profile" in stored.info:
            picture.info["icc_profile"] = stored.info["icc_profile"]
    return picture


def write_picture(path: Path, size: tuple[int, int], bands: Iterable[Image.Image]) -> None:
    """Write a PNG file whole or not at all, and the folders that lead to it.

    Args:
        path: The file.
        size: See `write_png`; the picture is never in memory as a whole.
        bands: See `write_png`.

    Raises:
        OSError: The disk is full, or the folder may not be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{uuid.uuid4().hex}.png")
    try:
        with unfinished.open("wb") as file:
            write_png(file, size, bands)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _without(paths: list[Path], folder: Path) -> list[Path]:
    """The paths that do not lie in `folder`: an earlier output is no input."""
    inside = folder.resolve()
    return [path for path in paths if inside not in path.resolve().parents]
