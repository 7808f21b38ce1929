"""Every file of a data set decoded: the good ones with their hash, the bad ones with a reason."""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mtlsr.data.images import SUFFIXES, ImageError, natural_key, read_image
from mtlsr.data.inspection.screening import UnusableError, screen


@dataclass(frozen=True)
class Inspected:
    """A file that decodes."""

    path: Path
    size: int
    """Bytes."""
    sha256: str
    """Of the file, not of its pixels."""
    height: int
    width: int
    """Pixels, upright."""


def inspect(
    files: Sequence[str | Path],
    least: int = 1,
    workers: int | None = None,
    advance: Callable[[], None] = lambda: None,
) -> tuple[list[Inspected], list[ImageError]]:
    """Decode files; nothing that one of them holds stops it.

    Args:
        files: image files.
        least: pixels that both sides of a photograph must have.
        workers: threads; None: one a core. They change nothing in what is found.
        advance: called after every file, for a progress bar.

    Returns:
        The good files and what is wrong with the others, each in the order of ``files``.
    """
    good: list[Inspected] = []
    bad: list[ImageError] = []

    def look(path: str | Path) -> Inspected | ImageError:
        return _inspect(Path(path), least)

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:  # decoders leave the GIL
        try:
            for found in pool.map(look, files):
                if isinstance(found, ImageError):
                    bad.append(found)
                else:
                    good.append(found)
                advance()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # Ctrl-C need not wait for the other thousands
            raise
    return good, bad


def irregular(folder: str | Path) -> list[ImageError]:
    """What is called like an image below a folder and is none that could be opened safely.

    Links that lead nowhere, pipes, sockets and devices: opening one may wait for ever.
    """
    return [
        ImageError(path, "this is no regular file" if path.exists() else _NOWHERE)
        for path in _named_like_images(Path(folder))
        if not path.is_file() and not path.is_dir()
    ]


_NOWHERE = "this is a link that leads nowhere"


def _named_like_images(folder: Path) -> Iterator[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    visible = (
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    return iter(sorted(visible, key=natural_key))


def _inspect(path: Path, least: int) -> Inspected | ImageError:
    try:
        screen([path], least, "refuse")
        height, width = read_image(path, grey="keep").shape[:2]
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Inspected(path, path.stat().st_size, sha256, height, width)
    except UnusableError as error:
        return error.errors[0]
    except ImageError as error:
        return error
    except MemoryError:
        return ImageError(path, "it has more pixels than fit into memory")
    except OSError as error:
        return ImageError(path, f"it cannot be read ({error.strerror or error})")
