"""A data set by its name: downloaded, unpacked, and in its place only when it is whole.

Whatever moment a process is killed at, the next one goes on: a download where it stopped, anything
else from its beginning. Two processes never work on one data set at the same time.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mtlsr.data.acquisition.download import DownloadError, Fetched, Report, download
from mtlsr.data.acquisition.extract import (
    LIMITS,
    ArchiveError,
    Limits,
    Parcel,
    extract,
    remove_unfinished,
)
from mtlsr.data.acquisition.sources import SOURCES, Archive, data_folder
from mtlsr.errors import UserError
from mtlsr.files import write_json

DOWNLOADS = ".downloads"
"""Folder in the data folder: what is on its way, and what is known of what came."""

Watch = Callable[[str, str], Report]
"""Called with a data set and what is done for it now; gives what is told of its progress."""


def silent(name: str, what: str) -> Report:
    """A ``Watch`` that tells nobody."""
    return lambda done, total: None


@dataclass(frozen=True)
class Options:
    """How a data set is fetched."""

    mirror: str | None = None
    """Address of a folder that holds files of the same names, asked instead of the authors."""
    keep_archives: bool = False
    """Leave the archives on the disk when they are unpacked."""
    attempts: int = 5
    """See ``download``."""
    wait: float = 1.0
    timeout: float = 30.0
    limits: Limits = LIMITS
    """What an archive may become."""


USUAL = Options()


def fetch(name: str, options: Options = USUAL, watch: Watch = silent) -> list[Path]:
    """See to it that a data set lies in the data folder; what is there already is left alone.

    Args:
        name: one of ``SOURCES``.
        options: how.
        watch: is told what is done.

    Returns:
        The folders of the data set: several where it has parts, none where none is needed.

    Raises:
        UserError: the data set is unknown or has no address, the download failed, or the archive
            was refused.
        OSError: the disk is full, or the data folder cannot be written to.
    """
    if name not in SOURCES:
        raise UserError(f"There is no address for the data set {name!r}; give its root.")
    source = SOURCES[name]
    if source.parts:
        return [folder for part in source.parts for folder in fetch(part, options, watch)]
    if source.archives:
        return [_fetch(name, source.archives, options, watch)]
    if source.included:
        return []
    folder = data_folder() / name
    if folder.is_dir():  # put there by hand
        return [folder]
    raise UserError(
        f"{source.where} Then put its images into {folder}, or give their folder as dataset.root."
    )


def archives(name: str) -> list[Fetched]:
    """What the data set in the data folder was unpacked from; empty where that is not known."""
    return list(_known(_record(name)).values())


def _fetch(name: str, wanted: Sequence[Archive], options: Options, watch: Watch) -> Path:
    target = data_folder() / name
    downloads = _downloads(name)
    downloads.mkdir(parents=True, exist_ok=True)
    with FileLock(downloads / "lock"):
        remove_unfinished(target)
        if not target.is_dir():
            came = {archive.name: _bring(name, archive, options, watch) for archive in wanted}
            _unpack(name, wanted, came, options.limits, watch)
        if not options.keep_archives:
            for archive in wanted:
                (downloads / archive.name).unlink(missing_ok=True)
    return target


def _bring(name: str, archive: Archive, options: Options, watch: Watch) -> Fetched:
    """Download an archive, and refuse one that is not what came under its name before."""
    path, record = _downloads(name) / archive.name, _record(name)
    came = download(
        address(archive, options.mirror),
        path,
        size=archive.size,
        sha256=archive.sha256,
        md5=archive.md5,
        attempts=options.attempts,
        wait=options.wait,
        timeout=options.timeout,
        report=watch(name, archive.name),
    )
    before = _known(record).get(archive.name, came)
    if before.sha256 != came.sha256:
        path.unlink()
        raise DownloadError(
            came.url,
            f"what came has the sha256 {came.sha256}, but an earlier download had {before.sha256}; "
            f"delete {record} to take the new one",
        )
    return came


def _unpack(
    name: str, wanted: Sequence[Archive], came: dict[str, Fetched], limits: Limits, watch: Watch
) -> None:
    downloads = _downloads(name)
    parcels = [Parcel(downloads / a.name, a.folders, a.without) for a in wanted]
    told, size = watch(name, "unpacking"), sum(fetched.size for fetched in came.values())
    told(0, None)
    # The hashes are noted first: once the folder is in its place, nobody looks at archives again.
    _remember(_record(name), came)
    try:
        extract(parcels, data_folder() / name, limits)
        told(size, size)
    except ArchiveError as error:
        error.path.unlink(missing_ok=True)  # else it would be in the way for ever
        _record(name).unlink(missing_ok=True)
        raise


def address(archive: Archive, mirror: str | None) -> str:
    """Where an archive is fetched from."""
    return archive.url if mirror is None else f"{mirror.rstrip('/')}/{archive.name}"


def _downloads(name: str) -> Path:
    return data_folder() / DOWNLOADS / name


def _record(name: str) -> Path:
    """Where it is noted what came: beside the data set, so that it outlives it."""
    return _downloads(name) / "archives.json"


def _known(record: Path) -> dict[str, Fetched]:
    try:
        entries = json.loads(record.read_text(encoding="utf-8"))
        return {file: Fetched(**entry) for file, entry in entries.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(record: Path, came: dict[str, Fetched]) -> None:
    write_json(record, {file: vars(fetched) for file, fetched in came.items()})
