"""Photographs decoded once: raw uint8 in two memory-mapped files, shared by every process.

Cropping a patch out of a memory map costs microseconds; decoding its photograph would cost
milliseconds. The low-resolution image is made here too, from the whole photograph, so that a patch
of it is exactly what a patch of the benchmark's low-resolution image would be, borders included.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mtlsr.data.images import ImageError, read_image
from mtlsr.data.resize import bicubic_downscale, crop_to_multiple

VERSION = 1
"""Part of every key: raise it when the same files would be decoded to something else."""

UInt8 = NDArray[np.uint8]


@dataclass(frozen=True)
class _Entry:
    """Where one photograph lies. Sizes are in LR pixels, offsets in bytes."""

    name: str
    height: int
    width: int
    lr: int
    hr: int


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
            self._entries = [_Entry(**entry) for entry in index["photographs"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self.folder} holds no readable store ({error}).") from error
        pixels = 3 * sum(entry.height * entry.width for entry in self._entries)
        self._lr = self._map("lr.bin", pixels)
        self._hr = self._map("hr.bin", pixels * self.scale**2)

    @classmethod
    def open(cls, sources: Sequence[str | Path], scale: int, cache: str | Path) -> "Store":
        """Open the store of these photographs, and build it first where there is none.

        It is built beside its place and then renamed, so that several processes may build at once
        and all end with the same finished store. Its key is made of the paths, sizes and
        modification times of the files, the scale and the format's version.

        Args:
            sources: image files, in the order wanted; grey ones are expanded to RGB.
            scale: 1 to 16; photographs are cropped to a multiple of it.
            cache: folder of stores, made where missing.

        Raises:
            ImageError: a file cannot be decoded or is smaller than the scale; says which.
            ValueError: no sources, or a scale out of range.
        """
        paths = [Path(source).absolute() for source in sources]
        if not paths:
            raise ValueError("A store needs at least one photograph.")
        cache = Path(cache)
        folder = cache / _key(paths, scale)
        if not folder.exists():
            cache.mkdir(parents=True, exist_ok=True)
            unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=cache))
            try:
                _build(unfinished, paths, scale)
                unfinished.chmod(0o755)  # mkdtemp's folders are closed to other users
                _move_unless_there(unfinished, folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
        return cls(folder)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def names(self) -> list[str]:
        """File names, in the order of the sources."""
        return [entry.name for entry in self._entries]

    @property
    def lr_sizes(self) -> list[tuple[int, int]]:
        """Height and width of every low-resolution image, in pixels; HR is ``scale`` times that."""
        return [(entry.height, entry.width) for entry in self._entries]

    def hr(self, index: int) -> UInt8:
        """Photograph ``index``: a read-only view, uint8 ``(scale*h, scale*w, 3)``."""
        entry = self._entries[index]
        shape = (entry.height * self.scale, entry.width * self.scale, 3)
        return self._hr[entry.hr : entry.hr + shape[0] * shape[1] * 3].reshape(shape)

    def lr(self, index: int) -> UInt8:
        """Its exact bicubic down-scaling: a read-only view, uint8 ``(h, w, 3)``."""
        entry = self._entries[index]
        shape = (entry.height, entry.width, 3)
        return self._lr[entry.lr : entry.lr + shape[0] * shape[1] * 3].reshape(shape)

    def __reduce__(self) -> tuple[type["Store"], tuple[Path]]:
        return Store, (self.folder,)

    def _map(self, file: str, size: int) -> UInt8:
        path = self.folder / file
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise ValueError(
                f"The store {self.folder} is damaged: {file} has {found} bytes and should have "
                f"{size}; delete the folder, and it is built anew."
            )
        return np.asarray(np.memmap(path, np.uint8, mode="r"))  # slices of a bare array are quicker


def _key(paths: Sequence[Path], scale: int) -> str:
    digest = hashlib.sha256(f"{VERSION} {scale}".encode())
    for path in paths:
        try:
            state = path.stat()
        except OSError:
            raise ImageError(path, "the file does not exist or may not be read") from None
        digest.update(f"\0{path}\0{state.st_size}\0{state.st_mtime_ns}".encode())
    return digest.hexdigest()[:24]


def _build(folder: Path, paths: Sequence[Path], scale: int) -> None:
    entries = []
    content = hashlib.sha256(f"{VERSION} {scale}".encode())
    with open(folder / "hr.bin", "wb") as hr_file, open(folder / "lr.bin", "wb") as lr_file:
        for path in paths:
            photograph = read_image(path)
            if min(photograph.shape[:2]) < scale:
                size = "x".join(map(str, photograph.shape[:2]))
                raise ImageError(path, f"its {size} pixels are too few for scale {scale}")
            hr = np.ascontiguousarray(crop_to_multiple(photograph, scale))
            lr = bicubic_downscale(hr, scale)
            height, width = lr.shape[:2]
            entries.append(_Entry(path.name, height, width, lr_file.tell(), hr_file.tell()))
            content.update(f"\0{hr.shape}\0".encode())
            content.update(hr.tobytes())
            hr_file.write(hr.tobytes())
            lr_file.write(lr.tobytes())
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
