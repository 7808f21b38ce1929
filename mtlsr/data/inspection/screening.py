"""Which files of a data set can be used.

Animated files (GIF, APNG, WebP, pages of a TIFF) are not photographs, and a photograph smaller than
a patch has no patch to give. Both are refused or left out, as the user chooses; so is what is no
image at all. Headers tell that much. Damage further inside shows when a file is decoded: to leave
such files out, each has to be decoded once (``Decoded`` remembers which of them were good).
"""

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

from mtlsr.data.datasets import Dataset
from mtlsr.data.images import Header, ImageError, read_header, read_image
from mtlsr.errors import UserError, listed
from mtlsr.files import write_json

Unusable = Literal["refuse", "skip"]
"""What happens to files that cannot be used: nothing starts, or they are left out."""

SHOWN = 5
"""Files that a message names; it counts the others."""


class UnusableError(UserError):
    """Files that cannot be used, and were not to be skipped."""

    def __init__(self, errors: Sequence[ImageError], total: int) -> None:
        super().__init__(errors, total)
        self.errors = list(errors)
        self.total = total

    def __str__(self) -> str:
        return (
            f"{len(self.errors)} of {self.total} images cannot be used: {named(self.errors)}. "
            "dataset.unusable=skip leaves them out."
        )


def screen(
    files: Sequence[str | Path],
    least: int,
    unusable: Unusable,
    decoded: "Decoded | None" = None,
) -> tuple[list[Path], list[ImageError]]:
    """Tell usable files from others by their headers; no pixel is decoded without ``decoded``.

    Args:
        files: image files.
        least: pixels that both sides of a photograph must have: scale times patch.
        unusable: ``refuse`` or ``skip``.
        decoded: knows, or tries, which of those whose headers are good can be decoded.

    Returns:
        The usable files in their order, and what was wrong with the others.

    Raises:
        UnusableError: there are others, and ``unusable`` is ``refuse``; names the first few.
        UserError: no file is left.
        ValueError: ``least`` is below 1, or ``unusable`` is neither of its two values.
    """
    if unusable not in ("refuse", "skip"):
        raise ValueError(f"dataset.unusable is {unusable!r}: 'refuse' or 'skip' is needed.")
    if least < 1:
        raise ValueError(f"least is {least}: at least 1 pixel is needed.")
    paths = [Path(path) for path in files]
    found = {path: error for path in paths if (error := _header_error(path, least)) is not None}
    if decoded is not None:
        found |= decoded.errors([path for path in paths if path not in found])
    kept = [path for path in paths if path not in found]
    errors = [found[path] for path in paths if path in found]
    if errors and unusable == "refuse":
        raise UnusableError(errors, len(files))
    if errors and not kept:
        raise UserError(f"None of {len(files)} images can be used: {named(errors)}.")
    return kept, errors


def named(errors: Sequence[ImageError]) -> str:
    """The first few errors in one line, with the number of the others."""
    return listed((str(error).removesuffix(".") for error in errors), SHOWN, "; ")


def only(files: Dataset, usable: Mapping[str, Sequence[Path]]) -> Dataset:
    """A data set of usable files alone: by split, some of its own in their order.

    Parts of a mixture keep their weights; one of which nothing is left is no part any more.
    """
    kept = set(usable.get("train", files.train))
    parts, start = [], 0
    for part in files.parts:
        own = files.train[start : start + part.count]
        start += part.count
        parts.append(replace(part, count=sum(path in kept for path in own)))
    lists = {split: list(paths) for split, paths in usable.items()}
    return replace(files, **lists, parts=tuple(part for part in parts if part.count))  # type: ignore[arg-type]


class Decoded:
    """Whether files decode, by their path, size and time of change; each is tried once.

    Several processes may use the same record: it is replaced as a whole, and what one of them loses
    is tried again.

    Args:
        record: JSON file that remembers; made where missing.
    """

    def __init__(self, record: Path) -> None:
        self.record = record

    def errors(self, files: Sequence[Path]) -> dict[Path, ImageError]:
        """What is wrong with those of the files that cannot be decoded."""
        keys = {path: _state(path) for path in files}
        known = self._read()
        missing = [path for path, key in keys.items() if key not in known]
        if missing:
            with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoders release the interpreter
                reasons = list(pool.map(_decoding_error, missing))
            known |= {keys[path]: reason for path, reason in zip(missing, reasons, strict=True)}
            self._write(known)
        reasons_found = {path: known[key] for path, key in keys.items()}
        return {
            path: ImageError(path, reason)
            for path, reason in reasons_found.items()
            if reason is not None
        }

    def _read(self) -> dict[str, str | None]:
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # none yet, or cut short by something else: try again
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, known: Mapping[str, str | None]) -> None:
        with suppress(OSError):  # without a place for it, each is tried again
            self.record.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.record, known)


def _state(path: Path) -> str:
    state = path.stat()
    return f"{path.absolute()} {state.st_size} {state.st_mtime_ns}"


def _decoding_error(path: Path) -> str | None:
    try:
        read_image(path)
    except ImageError as error:
        return error.reason
    except MemoryError:
        return "it has more pixels than fit into memory"
    return None


def _header_error(path: Path, least: int) -> ImageError | None:
    try:
        state = path.stat()
        header = _header(path, state.st_size, state.st_mtime_ns)
    except ImageError as error:
        return error
    except OSError:
        return ImageError(path, "the file does not exist or may not be read")
    if header.frames > 1:
        return ImageError(path, f"it has {header.frames} frames or pages and is no photograph")
    if min(header.height, header.width) < least:
        size = f"{header.height}x{header.width}"
        return ImageError(path, f"it has {size} pixels, and at least {least}x{least} are needed")
    return None


@lru_cache(maxsize=65536)
def _header(path: Path, size: int, changed: int) -> Header:
    """A run asks several times for the same files: both stages, before and while they train."""
    return read_header(path)
