"""Which images were asked for, and where each of them goes."""

import glob
import os
from dataclasses import dataclass, field
from pathlib import Path

from mtlsr.data.images import SUFFIXES as IMAGES
from mtlsr.data.images import natural_key, visible_files
from mtlsr.errors import UserError
from mtlsr.inference.pictures.writing import FORMATS, SUFFIXES

SAME = "same"
"""The word for the format that the original has."""


@dataclass
class Plan:
    """What becomes of the images that were asked for."""

    targets: dict[Path, Path] = field(default_factory=dict)
    """Source -> file; no two sources have the same."""
    refused: list[str] = field(default_factory=list)
    """A sentence for each source that has no file of its own to go to, and each folder that may
    not be read."""
    passed_over: list[Path] = field(default_factory=list)
    """Files in the folder that no image has the suffix of."""


def plan(source: Path, output: Path, format: str | None = None) -> Plan:
    """Find the images of `source`, and where in `output` each goes: same folders, same stem.

    Args:
        source: An image file, a folder of images, or a pattern with *, ?, [...] and ** for any
            number of folders. What lies in `output` is passed over, where that is inside.
        output: Folder, which need not exist; for one image file also a file with the suffix of a
            format.
        format: A name in `FORMATS`, or `same`: the original's, PNG where that cannot be written.
            None: what the suffix of `output` says, else PNG.

    Raises:
        UserError: `source` does not exist or holds no image, an unknown format, one that `output`
            is not, or `output` is a file, a link to nothing or the folder of the originals
            themselves.
    """
    if format not in (None, SAME, *FORMATS):
        raise UserError(f"format is {format!r}; it is one of {', '.join([SAME, *FORMATS])}.")
    if output.is_symlink() and not output.exists():
        raise UserError(f"output is {str(output)!r}, a link that leads nowhere.")
    if source.is_file() and not output.is_dir() and output.suffix.lower() in SUFFIXES:
        return _one(source, output, format)
    if source.is_file() and not output.exists() and output.suffix.lower() in IMAGES:
        raise UserError(f"output is {str(output)!r}; what is written is {' '.join(SUFFIXES)}.")
    if output.exists() and not output.is_dir():
        raise UserError(f"output is {str(output)!r}, which is a file; a folder is needed.")
    originals, root, found = _found(source, output)
    owners: dict[str, Path] = {}
    inputs = {_real(original) for original in originals}
    for original in originals:
        target = (output / original.relative_to(root)).with_suffix(_suffix(original, format))
        # Many disks take A.png and a.png for the same file.
        owner = owners.setdefault(str(target).casefold(), original)
        if _real(target) in inputs:
            found.refused.append(f"{original}: {target} is an original, which would be lost.")
        elif owner != original:
            found.refused.append(f"{original}: {target} is already taken by {owner.name}.")
        elif target.is_dir():
            found.refused.append(f"{original}: {target} is a folder.")
        else:
            found.targets[original] = target
    if not found.targets:
        raise UserError(" ".join(found.refused))
    return found


def _one(source: Path, target: Path, format: str | None) -> Plan:
    """One file to one file."""
    wanted = SUFFIXES[_suffix(source, SAME).lower()] if format == SAME else format
    if wanted not in (None, SUFFIXES[target.suffix.lower()]):
        raise UserError(f"output is {str(target)!r}, whose suffix is not that of format={format}.")
    if _real(target) == _real(source):
        raise UserError(f"output is {str(target)!r}, the original itself; it would be lost.")
    return Plan({source: target})


def _found(source: Path, output: Path) -> tuple[list[Path], Path, Plan]:
    """The images, the folder that they are seen from, and a plan of what else is in that folder."""
    if source.is_file():
        return [source], source.parent, Plan()
    if source.is_dir():
        if _real(output) == _real(source):
            raise UserError(f"output is {str(output)!r}, which is input; another folder is needed.")
        files, shut = visible_files(source)
        files = sorted(_without(files, output, source), key=natural_key)
        images = [path for path in files if path.suffix.lower() in IMAGES]
        if not images and not shut:
            raise UserError(f"input is {str(source)!r}, which holds no image beside the output.")
        others = [path for path in files if path.suffix.lower() not in IMAGES]
        refused = [f"{folder}: the folder may not be read." for folder in sorted(shut)]
        return images, source, Plan(refused=refused, passed_over=others)
    if not glob.has_magic(str(source)):
        raise UserError(f"input is {str(source)!r}, which does not exist.")
    root = _root(source)
    images = [path for path in _matches(source, root) if path.suffix.lower() in IMAGES]
    images = sorted(_without(images, output, root), key=natural_key)
    if not images:
        raise UserError(f"input is {str(source)!r}, which no image matches.")
    return images, root, Plan()


def _matches(pattern: Path, root: Path) -> list[Path]:
    """The files that a pattern matches, hidden ones where it names some; ** follows no links."""
    wanted = pattern.relative_to(root)
    if ".." in wanted.parts:  # its files would go anywhere, not to the output
        raise UserError(f"input is {str(pattern)!r}; .. may stand before the first wildcard alone.")
    if wanted.name == "**":
        wanted /= "*"
    hidden = any(part.startswith(".") for part in wanted.parts)
    found = (path for path in root.glob(str(wanted)) if hidden or not _hidden(path, root))
    return [path for path in found if path.is_file()]


def _root(pattern: Path) -> Path:
    """The folder that a pattern begins to search in."""
    fixed = Path()
    for part in pattern.parts[:-1]:
        if glob.has_magic(part) and not (fixed / part).is_dir():
            break
        fixed /= part
    return fixed


def _suffix(original: Path, format: str | None) -> str:
    own = original.suffix
    if format == SAME:
        return own if own.lower() in SUFFIXES else ".png"
    suffixes = FORMATS[format or "png"].suffixes
    return own if own.lower() in suffixes[1:] else suffixes[0]


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _without(paths: list[Path], output: Path, root: Path) -> list[Path]:
    """The paths that do not lie in `output`, where that is inside `root`: no input, but an earlier
    output."""
    inside = _real(output)
    if _real(root) not in inside.parents:
        return paths
    return [path for path in paths if inside not in _real(path).parents]


def _real(path: Path) -> Path:
    """Where links lead; other than `Path.resolve`, it also takes those that lead in a circle."""
    return Path(os.path.realpath(path))
