"""Photographs decoded once: raw uint8 in two memory-mapped files, shared by every process.

Cropping a patch out of a memory map costs microseconds; decoding its photograph would cost
milliseconds. The low-resolution image is made here too, from the whole photograph, so that a patch
of it is exactly what a patch of the benchmark's low-resolution image would be, borders included.
Or it is a photograph, too, and given (real pairs). Photographs without any high resolution are a
store of scale 1.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image

from mtlsr.data.images import ImageError, read_image
from mtlsr.data.pairs import check_size, check_sizes
from mtlsr.data.resize import bicubic_downscale, crop_to_multiple
from mtlsr.errors import UserError

VERSION = 1
"""Part of every key: raise it when the same files would be decoded to something else."""

_UNFINISHED = ".unfinished-"

UInt8 = NDArray[np.uint8]
_Pair = tuple[Path, Path | None]
"""A photograph, and its low resolution where that is given."""


@dataclass(frozen=True)
class _Entry:
    """Where one photograph lies. Sizes are in LR pixels, offsets in bytes."""

    name: str
    height: int
    width: int
    lr: int
    hr: int
    photograph: int
    """Number of the source that it is, or was shrunk from."""


class Store:
    """Read-only photographs at high and low resolution; see ``Store.open``.

    A store pickles as its folder's path: worker processes map the same files again.
    """

    def __init__(self, folder: str | Path) -> None:
        """Map a finished store.

        Raises:
            ValueError: the folder is no store, or a damaged one.
        """
        self.folder = Path(folder)
        try:
            index = json.loads((self.folder / "index.json").read_text(encoding="utf-8"))
            self.scale = int(index["scale"])
            self.fingerprint = str(index["fingerprint"])
            entries = enumerate(index["photographs"])
            # A store of before photographs were shrunk has no number of theirs.
            self._entries = [_Entry(**{"photograph": number, **entry}) for number, entry in entries]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.folder} holds no readable store ({error}); delete the folder, and it is "
                "built anew."
            ) from error
        pixels = 3 * sum(entry.height * entry.width for entry in self._entries)
        self._lr = self._map("lr.bin", pixels)
        self._hr = self._lr if self.scale == 1 else self._map("hr.bin", pixels * self.scale**2)

    @classmethod
    def open(
        cls,
        sources: Sequence[str | Path],
        scale: int,
        cache: str | Path,
        lr_sources: Sequence[str | Path | None] | None = None,
        shrunk: Sequence[float] = (),
    ) -> "Store":
        """Open the store of these photographs, and build it first where there is none.

        It is built beside its place and then renamed, so that several processes may build at once
        and all end with the same finished store; what a killed one leaves goes when the next store
        is built. Its key is made of the paths, sizes and modification times of the files, the
        scale, what is shrunk and the format's version.

        Args:
            sources: image files, in the order wanted; grey ones are expanded to RGB.
            scale: 1 to 16; photographs are cropped to a multiple of it. 1: the photographs are the
                low resolution themselves.
            cache: folder of stores, made where missing.
            lr_sources: the low resolution that is given, in the order of ``sources``; None for a
                photograph whose low resolution is its bicubic.
            shrunk: shares of its size, above 0 and below 1, at which each photograph is held, too:
                right after itself, as smaller photographs (Pillow's bicubic). What would be smaller
                than the scale is left out.

        Raises:
            ImageError: a file cannot be decoded or is smaller than the scale, or a given one is not
                of exactly its photograph's size over the scale; says which.
            ValueError: no sources, another number of ``lr_sources``, a scale or share out of range,
                or shrinking what has its low resolution given.
        """
        paths = [Path(source).absolute() for source in sources]
        if not paths:
            raise ValueError("A store needs at least one photograph.")
        given = [None] * len(paths) if lr_sources is None else list(lr_sources)
        if len(given) != len(paths):
            raise ValueError(
                f"There are {len(paths)} photographs and {len(given)} low-resolution files: "
                "one for each is needed."
            )
        check_shares(shrunk, given)
        lr_paths = [None if path is None else Path(path).absolute() for path in given]
        pairs = list(zip(paths, lr_paths, strict=True))
        cache = Path(cache)
        folder = cache / _key(pairs, scale, shrunk)
        if not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            _remove_unfinished(cache)
            with _place(cache) as unfinished:
                _build(unfinished, pairs, scale, shrunk)
                _move_unless_there(unfinished, folder)
        return cls(folder)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        """File names, in the order of the sources; a shrunk one's says at which share."""
        return [entry.name for entry in self._entries]

    @property
    def photographs(self) -> list[int]:
        """Of each, the number of the source that it is, or was shrunk from."""
        return [entry.photograph for entry in self._entries]

    @property
    def lr_sizes(self) -> list[tuple[int, int]]:
        """Height and width of every low-resolution image, in pixels; HR is ``scale`` times that."""
        return [(entry.height, entry.width) for entry in self._entries]

    def hr(self, index: int) -> UInt8:
        """Photograph ``index``: a read-only view, uint8 ``(scale*h, scale*w, 3)``."""
        if self.scale == 1:
            return self.lr(index)
        entry = self._entries[index]
        shape = (entry.height * self.scale, entry.width * self.scale, 3)
        return self._hr[entry.hr : entry.hr + shape[0] * shape[1] * 3].reshape(shape)

    def lr(self, index: int) -> UInt8:
        """Its exact bicubic, or what was given: a read-only view, uint8 ``(h, w, 3)``."""
        entry = self._entries[index]
        shape = (entry.height, entry.width, 3)
        return self._lr[entry.lr : entry.lr + shape[0] * shape[1] * 3].reshape(shape)

    def __reduce__(self) -> tuple[type["Store"], tuple[Path]]:
        return Store, (self.folder,)

    def _map(self, file: str, size: int) -> UInt8:
        path = self.folder / file
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise UserError(
                f"The store {self.folder} is damaged: {file} has {found} bytes and should have "
                f"{size}; delete the folder, and it is built anew."
            )
        return np.asarray(np.memmap(path, np.uint8, mode="r"))  # slices of a bare array are quicker


def resolutions(
    path: Path, scale: int, shrunk: Sequence[float] = (), lr_path: Path | None = None
) -> Iterator[tuple[str, UInt8, UInt8]]:
    """Name, high and low resolution of a photograph, and of what it is shrunk to.

    Args: as ``Store.open`` has them.

    Raises:
        ImageError: as there.
    """
    photograph = read_image(path)
    height, width = photograph.shape[:2]
    if min(height, width) < scale:
        raise ImageError(path, f"its {height}x{width} pixels are too few for scale {scale}")
    hr = np.ascontiguousarray(crop_to_multiple(photograph, scale))
    if lr_path is not None:
        lr = read_image(lr_path)
        check_size(lr_path, lr, photograph, scale)
        yield path.name, hr, lr
        return
    yield path.name, hr, bicubic_downscale(hr, scale)
    for share in shrunk:
        size = (round(width * share), round(height * share))
        if min(size) >= scale:
            small = Image.fromarray(photograph).resize(size, Image.Resampling.BICUBIC)
            hr = np.ascontiguousarray(crop_to_multiple(np.asarray(small), scale))
            yield f"{path.name} at {share:g}", hr, bicubic_downscale(hr, scale)


@contextmanager
def _place(cache: Path) -> Iterator[Path]:
    """A new folder to build in, gone afterwards; a locked file beside it says that we live."""
    unfinished = cache / f"{_UNFINISHED}{uuid.uuid4().hex}"
    lock = FileLock(f"{unfinished}.lock")
    try:
        with lock:
            unfinished.mkdir()
            try:
                yield unfinished
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)


def _remove_unfinished(cache: Path) -> None:
    """Delete what builders left that were killed: the system has taken their locks from them."""
    for path in cache.glob(f"{_UNFINISHED}*.lock"):
        with suppress(Timeout, OSError), FileLock(path, timeout=0):
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)


def check_shares(shrunk: Sequence[float], given: Sequence[object] = ()) -> None:
    """Refuse shares that are none, and to shrink what has its low resolution given (ValueError)."""
    for share in shrunk:
        if not 0 < share < 1:
            raise UserError(f"shrunk holds {share}: shares above 0 and below 1 are needed.")
    if shrunk and any(path is not None for path in given):
        raise UserError("Photographs whose low resolution is given cannot be shrunk.")


def _key(pairs: Sequence[_Pair], scale: int, shrunk: Sequence[float]) -> str:
    digest = hashlib.sha256(" ".join(map(str, (VERSION, scale, *shrunk))).encode())
    for path, lr_path in pairs:
        digest.update(b"\0" + _state(path))
        if lr_path is not None:
            digest.update(b"\0lr\0" + _state(lr_path))
    return digest.hexdigest()[:24]


def _state(path: Path) -> bytes:
    try:
        state = path.stat()
    except OSError:
        raise ImageError(path, "the file does not exist or may not be read") from None
    # A name may hold bytes that are no text.
    return os.fsencode(path) + f"\0{state.st_size}\0{state.st_mtime_ns}".encode()


def _build(folder: Path, pairs: Sequence[_Pair], scale: int, shrunk: Sequence[float]) -> None:
    given = [(path, lr_path) for path, lr_path in pairs if lr_path is not None]
    check_sizes([path for path, _ in given], [lr_path for _, lr_path in given], scale)
    entries = []
    content = hashlib.sha256(f"{VERSION} {scale}".encode())
    with open(folder / "hr.bin", "wb") as hr_file, open(folder / "lr.bin", "wb") as lr_file:
        for number, (path, lr_path) in enumerate(pairs):
            for name, hr, lr in resolutions(path, scale, shrunk, lr_path):
                height, width = lr.shape[:2]
                entries.append(_Entry(name, height, width, lr_file.tell(), hr_file.tell(), number))
                content.update(f"\0{hr.shape}\0".encode())
                content.update(hr.tobytes())
                if lr_path is not None:
                    content.update(b"\0lr\0" + lr.tobytes())
                lr_file.write(lr.tobytes())
                if scale > 1:  # else they are the same, and once is enough
                    hr_file.write(hr.tobytes())
    index = {
        "version": VERSION,
        "scale": scale,
        "fingerprint": content.hexdigest(),
        "photographs": [asdict(entry) for entry in entries],
    }
    (folder / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def _move_unless_there(unfinished: Path, folder: Path) -> None:
    try:
        os.rename(unfinished, folder)
    except OSError:  # another process was quicker; its store has the same key, hence the same bytes
        if not folder.exists():
            raise
