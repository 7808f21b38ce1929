"""One file from one address: resumed, retried, verified, and in its place only when it is whole.

While it is fetched a file is called ``<name>.part``; beside it ``<name>.part.json`` says to which
version of the file it belongs (RFC 9110: ETag or Last-Modified), so that a version that changed on
the server is never glued to the old one.
"""

import hashlib
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from mtlsr.errors import UserError
from mtlsr.files import write_json

CHUNK = 1 << 18
"""Bytes that are read at once: small enough for a smooth progress bar."""

PATIENCE = 60.0
"""Longest pause between two attempts, in seconds."""

PROGRESS = 1 << 20
"""An attempt that brought so many bytes more was no failure, however it ended."""

MISTAKES = 2
"""So often a file may come whole and be the wrong one: the second time it is no accident."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be different in a moment."""

Report = Callable[[int, int | None], None]


class DownloadError(UserError):
    """A file that could not be fetched; says from where and why in one sentence."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.url}: {self.reason}."


@dataclass(frozen=True)
class Fetched:
    """A file that is complete and verified."""

    url: str
    size: int
    sha256: str


class _Passing(Exception):
    """An attempt failed; another one may succeed."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


def download(
    url: str,
    target: str | Path,
    *,
    size: int | None = None,
    sha256: str | None = None,
    md5: str | None = None,
    attempts: int = 5,
    wait: float = 1.0,
    timeout: float = 30.0,
    report: Report = lambda done, total: None,
) -> Fetched:
    """Fetch a file, or go on where an earlier call stopped; a verified file is left as it is.

    Args:
        url: http or https.
        target: where to; its folder is made where missing. Only one process may fetch it at a time.
        size: bytes that it must have.
        sha256: hash that it must have.
        md5: likewise.
        attempts: failures in a row, without progress between them, after which it gives up.
        wait: seconds before the second attempt; they double with each failure, up to a minute.
        timeout: seconds without a single byte that count as a failure.
        report: called with the bytes that are there and the bytes there should be, None if unknown.

    Raises:
        DownloadError: the address refuses, the connection keeps failing, what comes is not the file
            that was expected, or the disk is too small. What came so far stays for the next call.
        OSError: the disk is full, or the folder cannot be written to.
        ValueError: the address is neither http nor https.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise ValueError(f"The address {url!r} is neither http nor https.")
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        found, wrong = _judged(url, target, size, sha256, md5)
        if wrong is None:
            report(found.size, found.size)
            return found
        target.unlink()

    part = _Part(url, target)
    failures, mistaken = 0, 0
    while True:
        before = part.size()
        try:
            _attempt(part, size, timeout, report)
            found, wrong = _judged(url, part.path, size, sha256, md5)
            if wrong is None:
                part.finish()
                return found
            part.discard()
            mistaken += 1
            if mistaken == MISTAKES:
                raise DownloadError(url, wrong)
            raise _Passing(wrong)
        except _Passing as failure:
            failures = 1 if part.size() >= before + PROGRESS else failures + 1
            if failures >= attempts:
                times = "once" if attempts == 1 else f"{attempts} times"
                raise DownloadError(url, f"{failure}; tried {times}") from failure
            time.sleep(max(failure.wait, min(PATIENCE, wait * 2 ** (failures - 1))))


class _Part:
    """The unfinished file and the note of what it is a part of."""

    def __init__(self, url: str, target: Path) -> None:
        self.url = url
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self.note = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def validator(self) -> str | None:
        """What identifies the version of the bytes that are there; None: they cannot be used."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            return str(note["validator"]) if note["url"] == self.url else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def begin(self, validator: str | None) -> None:
        """Start at the first byte of a version."""
        self.discard()
        if validator is not None:
            write_json(self.note, {"url": self.url, "validator": validator})

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)  # first: bytes without a note are never used
        self.note.unlink(missing_ok=True)

    def finish(self) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, self.target)
        self.note.unlink(missing_ok=True)


def _attempt(part: _Part, size: int | None, timeout: float, report: Report) -> None:
    """Ask for what is missing and append it; return when the file is as long as the server says."""
    have, validator = part.size(), part.validator()
    headers = {"User-Agent": "mtlsr", "Accept-Encoding": "identity"}
    if have and validator is not None:
        if have == size:
            return
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    request = urllib.request.Request(part.url, headers=headers)
    try:
        with _opener().open(request, timeout=timeout) as response:
            have, total = _position(part, response, have)
            if total is not None and size is not None and total != size:
                part.discard()
                raise _Passing(f"the server offers {total} bytes and should offer {size}")
            _check_space(part, have, total)
            _append(part, response, have, total, report)
    except urllib.error.HTTPError as error:
        error.close()
        answer = f"the server answers {error.code} {error.reason}"
        if error.code == 416:
            if error.headers.get("Content-Range") == f"bytes */{have}":
                return  # killed after the last byte and before the file was put in its place
            part.discard()
        elif error.code not in PASSING:
            raise DownloadError(part.url, answer) from None
        raise _Passing(answer, _retry_after(error.headers.get("Retry-After"))) from None
    except urllib.error.URLError as error:
        raise _Passing(f"the server cannot be reached ({error.reason})") from error
    except TimeoutError:
        raise _Passing(f"the server sent nothing for {timeout:g} seconds") from None
    except (HTTPException, ConnectionError) as error:
        raise _Passing(f"the connection broke ({error or type(error).__name__})") from error


def _opener() -> urllib.request.OpenerDirector:
    """Proxies and redirects as usual, but http and https alone: never a file of this machine."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _position(part: _Part, response: HTTPResponse, have: int) -> tuple[int, int | None]:
    """From which byte on the server sends, and how many the file has."""
    if response.status == 206:
        start, total = _content_range(response.headers.get("Content-Range", ""))
        if start == have:
            return have, total
        part.discard()
        raise _Passing(f"the server sends from byte {start} instead of {have}")
    # All of it: the first attempt, another version than ours, or a server that knows no ranges.
    etag = response.headers.get("ETag", "")
    strong = etag if etag.startswith('"') else None  # a weak one does not promise equal bytes
    part.begin(strong or response.headers.get("Last-Modified"))
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _content_range(header: str) -> tuple[int | None, int | None]:
    """`bytes 5-9/10` -> (5, 10); None for what cannot be read."""
    unit, _, rest = header.partition(" ")
    span, _, total = rest.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes" or not start.isdecimal():
        return None, None
    return int(start), int(total) if total.isdecimal() else None


def _append(
    part: _Part, response: HTTPResponse, have: int, total: int | None, report: Report
) -> None:
    report(have, total)
    with part.path.open("ab", buffering=0) as file:  # each chunk is on the disk when it is counted
        while chunk := response.read1(CHUNK):
            file.write(chunk)
            have += len(chunk)
            report(have, total)
    if total is not None and have < total:
        raise _Passing(f"the connection broke after {have} of {total} bytes")


def _check_space(part: _Part, have: int, total: int | None) -> None:
    free = shutil.disk_usage(part.path.parent).free
    if total is not None and total - have > free:
        raise DownloadError(
            part.url, f"{total - have} bytes are to come and the disk has room for {free}"
        )


def _retry_after(header: str | None) -> float:
    return min(PATIENCE, float(header)) if header and header.isdecimal() else 0.0


def _judged(
    url: str, path: Path, size: int | None, sha256: str | None, md5: str | None
) -> tuple[Fetched, str | None]:
    """A file that is thought complete, and what is wrong with it; None: nothing."""
    hashes = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            for hashed in hashes if md5 is not None else hashes[:1]:
                hashed.update(chunk)
    found = Fetched(url, path.stat().st_size, hashes[0].hexdigest())
    if size is not None and found.size != size:
        return found, f"{found.size} bytes came and {size} should have come"
    if sha256 is not None and found.sha256 != sha256:
        return found, f"what came has the sha256 {found.sha256} and should have {sha256}"
    if md5 is not None and hashes[1].hexdigest() != md5:
        return found, f"what came has the md5 {hashes[1].hexdigest()} and should have {md5}"
    return found, None
