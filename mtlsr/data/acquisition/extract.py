"""Archives from strangers: nothing leaves the folder, nothing is larger than it looks.

What is refused is refused as a whole, before or while it is unpacked, and nothing of it stays:
paths that leave the folder or are absolute, links, devices, encrypted or damaged members, two
members of one name, too many files, and archive bombs. Sizes that an archive states are never
believed; the bytes that come out are counted. Permissions, owners and times in the archive are
ignored.
"""

import bz2
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

from mtlsr.data.images import SUFFIXES, ImageError, read_image
from mtlsr.errors import UserError

CHUNK = 1 << 20
UNFINISHED = ".unfinished-"
"""What names of folders begin with that a killed process may leave behind."""

DAMAGE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError,
    UnicodeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class Limits:
    """What an archive may become. Photographs are compressed already: ten times would be odd."""

    files: int = 200_000
    ratio: float = 100.0
    """Bytes that come out for each byte of the archive."""
    slack: int = 1 << 24
    """Bytes that may come out of any archive, however small it is."""
    total: int = 1 << 38
    """Bytes that may come out of the largest."""

    def bytes(self, archive: Path) -> int:
        """How many bytes may come out of this one."""
        return min(self.total, self.slack + int(self.ratio * archive.stat().st_size))


LIMITS = Limits()


class ArchiveError(UserError):
    """An archive that was refused; says which and why in one sentence."""

    def __init__(self, path: str | Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}."


@dataclass(frozen=True)
class Parcel:
    """An archive and what is wanted of it."""

    archive: Path
    """zip, tar, tar.gz, tar.bz2 or tar.xz, whatever it is called; or an image, taken as it is."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Folder in the archive -> folder in the target; empty: everything, as it lies."""
    without: Collection[str] = ()
    """File names that are not wanted."""


def extract(parcels: Sequence[Parcel], target: str | Path, limits: Limits = LIMITS) -> Path:
    """Unpack archives into one new folder, whole or not at all.

    They are unpacked in a folder beside it, which is renamed at the end.

    Args:
        parcels: what to unpack.
        target: the folder; it must not exist yet, its parent is made where missing.
        limits: what they may become.

    Returns:
        The target.

    Raises:
        ArchiveError: an archive is damaged, hostile, no archive, or lacks a wanted folder; says
            which member is to blame.
        OSError: the disk is full, or the target exists.
    """
    target = Path(target)
    if target.exists():
        raise FileExistsError(f"{target} exists already.")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{UNFINISHED}{target.name}-", dir=target.parent))
    try:
        for parcel in parcels:
            _unpack(parcel, unfinished, limits)
        unfinished.chmod(0o755)  # mkdtemp's folders are closed to other users
        os.rename(unfinished, target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return target


def remove_unfinished(target: str | Path) -> None:
    """Remove what killed processes left beside a target. No other may be unpacking it."""
    target = Path(target)
    for leftover in target.parent.glob(f"{UNFINISHED}{target.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _unpack(parcel: Parcel, folder: Path, limits: Limits) -> None:
    archive = parcel.archive
    with archive.open("rb") as file:
        start = file.read(6)
    try:
        if start.startswith((b"PK\3\4", b"PK\5\6")):
            members = _zip(archive, limits)
        elif archive.suffix.lower() in SUFFIXES:
            _image(archive, folder)
            return
        else:
            members = _tar(archive, start, limits)
        wanted = _Wanted(parcel, folder)
        for count, (name, content) in enumerate(members, start=1):
            if count > limits.files:
                raise ArchiveError(archive, f"it holds more than {limits.files} files")
            place = wanted.place(name)
            if place is not None:
                _write(archive, name, content, place)
        wanted.check()
    except ArchiveError:
        raise
    except DAMAGE as error:
        reason = f"it is no archive, or a damaged one ({error})".replace("\n", " ")
        raise ArchiveError(archive, reason) from error


class _Wanted:
    """Where members go, and whether every wanted folder was there."""

    def __init__(self, parcel: Parcel, folder: Path) -> None:
        self.parcel = parcel
        self.folder = folder
        self.missing = set(parcel.folders)

    def place(self, name: str) -> Path | None:
        """The path of a member, or None where it is not wanted."""
        path = safe_path(self.parcel.archive, name)
        if path.name in self.parcel.without:
            return None
        if not self.parcel.folders:
            return self.folder / path
        for source, target in self.parcel.folders.items():
            if path.is_relative_to(source):
                self.missing.discard(source)
                return self.folder / target / path.relative_to(source)
        return None

    def check(self) -> None:
        if self.missing:
            lacking = ", ".join(sorted(self.missing))
            raise ArchiveError(self.parcel.archive, f"it lacks the folder {lacking}")


def safe_path(archive: Path, name: str) -> PurePosixPath:
    """A member's path below the folder.

    Raises:
        ArchiveError: it is absolute, climbs, or means something else on another system.
    """
    parts = PurePosixPath(name).parts
    forbidden = (
        name.startswith("/")
        or ".." in parts
        or "\\" in name
        or re.match(r"[A-Za-z]:", name) is not None
        or any(ord(character) < 32 for character in name)
    )
    if forbidden:
        raise ArchiveError(archive, f"its member {name!r} would leave the folder")
    return PurePosixPath(*parts)


def _write(archive: Path, name: str, content: IO[bytes], place: Path) -> None:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as file:
            shutil.copyfileobj(content, file, CHUNK)
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        raise ArchiveError(archive, f"it holds {name!r} twice, or as file and folder") from None


def _image(archive: Path, folder: Path) -> None:
    try:
        read_image(archive)
    except ImageError as error:
        raise ArchiveError(archive, error.reason) from error
    shutil.copyfile(archive, folder / archive.name)


def _zip(archive: Path, limits: Limits) -> Iterator[tuple[str, IO[bytes]]]:
    left = _Allowance(archive, limits)
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            name = member.orig_filename  # `filename` is cut at a NUL and turned on some systems
            safe_path(archive, name)
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise ArchiveError(archive, f"its member {name!r} is a link or a device")
            if member.is_dir():
                continue
            if member.flag_bits & 1:
                raise ArchiveError(archive, f"its member {name!r} is encrypted")
            with file.open(member) as content:
                yield name, left.counted(content)


def _tar(archive: Path, start: bytes, limits: Limits) -> Iterator[tuple[str, IO[bytes]]]:
    # Headers can be bombs as well as contents, and the holes of sparse files are made, not read:
    # what goes into the reader is counted, and what comes out of it.
    into, out = _Allowance(archive, limits), _Allowance(archive, limits)
    with (
        _decompressed(archive, start) as stream,
        tarfile.open(fileobj=into.counted(stream), mode="r|", tarinfo=_Header) as file,
    ):
        for member in file:
            safe_path(archive, member.name)
            if member.isdir():
                continue
            content = file.extractfile(member) if member.isreg() else None
            if content is None:
                raise ArchiveError(archive, f"its member {member.name!r} is a link or a device")
            yield member.name, out.counted(content)


class _Header(tarfile.TarInfo):
    """A header that must be one: by itself, tarfile takes a damaged or missing one for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if not any(buf) and len(buf) == tarfile.BLOCKSIZE:
                raise  # a block of zeros: this is how an archive ends
            raise tarfile.ReadError(str(error)) from error


@contextmanager
def _decompressed(archive: Path, start: bytes) -> Iterator[Any]:
    if start.startswith(b"\x1f\x8b"):
        with gzip.open(archive) as stream:
            yield stream
    elif start.startswith(b"BZh"):
        with bz2.open(archive) as stream:
            yield stream
    elif start.startswith(b"\xfd7zXZ\0"):
        with lzma.open(archive) as stream:
            yield stream
    else:
        with archive.open("rb") as stream:
            yield stream


class _Allowance:
    """Bytes that may still come out of an archive."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self.archive = archive
        self.limit = self.left = limits.bytes(archive)

    def counted(self, stream: Any) -> Any:
        return _Counted(stream, self)


class _Counted:
    """A stream that refuses to give more than is allowed, whatever is asked of it."""

    def __init__(self, stream: Any, allowance: _Allowance) -> None:
        self._stream = stream
        self._allowance = allowance

    def read(self, size: int = -1) -> bytes:
        most = self._allowance.left + 1
        try:
            data: bytes = self._stream.read(most if size < 0 else min(size, most))
        except OSError as error:
            if error.errno is not None:
                raise
            raise tarfile.ReadError(str(error)) from error  # what bz2 and gzip say of damage
        self._allowance.left -= len(data)
        if self._allowance.left < 0:
            raise ArchiveError(
                self._allowance.archive,
                f"more than {self._allowance.limit} bytes come out of it: it is an archive bomb",
            )
        return data
