"""Downloads from a server that misbehaves in every way that servers do."""

import hashlib
import shutil
import socket
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mtlsr.data.acquisition import download as module
from mtlsr.data.acquisition.download import DownloadError, Fetched, download
from tests.loopback import (
    Behaviour,
    Server,
    deaf,
    drops,
    fails,
    lies,
    nameless,
    redirects,
    sends,
    shifts,
    slow,
    stalls,
)  # fmt: skip

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
KNOWN = {"size": len(CONTENT), "sha256": SHA256}
HALF = len(CONTENT) // 2


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"a.zip": CONTENT}) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "a.zip"


def fetch(server: Server, target: Path, *behaviours: Behaviour, **options: object) -> Fetched:
    server.plan.extend(behaviours)
    return download(f"{server.url}/a.zip", target, **{"wait": 0.0, **options})  # type: ignore[arg-type]


def assert_whole(target: Path) -> None:
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("known", [{}, KNOWN, {"md5": MD5}, {"sha256": SHA256, "md5": MD5}])
def test_a_file_comes_whole(server: Server, target: Path, known: dict[str, object]) -> None:
    found = fetch(server, target, **known)
    assert_whole(target)
    assert found == Fetched(f"{server.url}/a.zip", len(CONTENT), SHA256)


def test_a_dropped_connection_is_resumed_where_it_broke(server: Server, target: Path) -> None:
    fetch(server, target, drops(0.5), drops(0.5))
    assert_whole(target)
    ranges = [None, f"bytes={HALF}-", f"bytes={HALF + HALF // 2}-"]
    assert [asked for _, asked in server.asked] == ranges


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server: Server, target: Path) -> None:
    with pytest.raises(DownloadError, match=f"after {HALF} of {len(CONTENT)} bytes; tried once"):
        fetch(server, target, drops(0.5), attempts=1)
    assert not target.exists()
    fetch(server, target, **KNOWN)
    assert_whole(target)
    assert server.asked[1] == ("/a.zip", f"bytes={HALF}-")


def test_a_server_without_ranges_is_asked_for_everything(server: Server, target: Path) -> None:
    fetch(server, target, drops(0.5), deaf)
    assert_whole(target)


def test_another_version_is_never_glued_to_the_old_one(server: Server, target: Path) -> None:
    with pytest.raises(DownloadError):
        fetch(server, target, sends_half_of(OTHER), attempts=1)
    assert (target.parent / "a.zip.part").read_bytes() == OTHER[:HALF]
    fetch(server, target)  # no hash is known: only the ETag tells the versions apart
    assert_whole(target)


def sends_half_of(other: bytes) -> Behaviour:
    return lambda handler, content: drops(0.5)(handler, other)


def test_bytes_of_an_unknown_version_are_not_used(server: Server, target: Path) -> None:
    target.parent.mkdir()
    part = target.parent / "a.zip.part"
    for note in (None, "no JSON", '{"url": "http://elsewhere/a.zip", "validator": "x"}', "[1]"):
        part.write_bytes(OTHER[:HALF])
        if note is not None:
            (target.parent / "a.zip.part.json").write_text(note)
        server.asked.clear()
        fetch(server, target)
        assert_whole(target)
        assert server.asked == [("/a.zip", None)]
        target.unlink()


def test_a_range_from_elsewhere_is_refused(server: Server, target: Path) -> None:
    fetch(server, target, drops(0.5), shifts)
    assert_whole(target)
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-", None]


def test_a_wrong_file_is_tried_again_and_refused_the_second_time(
    server: Server, target: Path
) -> None:
    fetch(server, target, sends(OTHER), **KNOWN)
    assert_whole(target)
    target.unlink()
    other = hashlib.sha256(OTHER).hexdigest()
    with pytest.raises(DownloadError, match=f"sha256 {other} and should have {SHA256}"):
        fetch(server, target, sends(OTHER), sends(OTHER), **KNOWN)
    assert list(target.parent.iterdir()) == []
    with pytest.raises(DownloadError, match=f"and should have {MD5}"):
        fetch(server, target, sends(OTHER), sends(OTHER), md5=MD5)


def test_a_server_that_recovers_is_waited_for(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(module.time, "sleep", waited.append)
    plan = [fails(500), fails(503, Retry_After="7"), fails(503, Retry_After="99999"), fails(502)]
    fetch(server, target, *plan, wait=1.0)
    assert_whole(target)
    assert waited == [1.0, 7.0, module.PATIENCE, 8.0]


def test_a_server_that_does_not_recover_is_given_up(server: Server, target: Path) -> None:
    server.usual = fails(503)
    with pytest.raises(DownloadError, match="answers 503 Service Unavailable; tried 3 times"):
        fetch(server, target, attempts=3)
    assert len(server.asked) == 3
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_final(server: Server, target: Path, code: int) -> None:
    with pytest.raises(DownloadError, match=f"{server.url}/a.zip: the server answers {code} "):
        fetch(server, target, fails(code))
    assert len(server.asked) == 1


def test_attempts_that_bring_something_are_no_failures(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PROGRESS", 1000)
    fetch(server, target, *[drops(0.2)] * 12, attempts=2)
    assert_whole(target)
    assert len(server.asked) == 13


def test_a_slow_server_is_waited_for_and_a_silent_one_asked_again(
    server: Server, target: Path
) -> None:
    fetch(server, target, slow(20, 0.005), timeout=2.0)
    assert_whole(target)
    target.unlink()
    server.asked.clear()
    fetch(server, target, stalls(0.5, 1.0), timeout=0.2)
    assert_whole(target)
    assert [asked for _, asked in server.asked] == [None, f"bytes={HALF}-"]
    target.unlink()
    with pytest.raises(DownloadError, match=r"sent nothing for 0\.2 seconds; tried once"):
        fetch(server, target, stalls(0.0, 1.0), timeout=0.2, attempts=1)


def test_a_wrong_length_is_noticed(server: Server, target: Path) -> None:
    fetch(server, target, lies(1000))  # the next attempt learns that there is no more
    assert_whole(target)
    target.unlink()
    with pytest.raises(DownloadError, match=f"offers {len(CONTENT) - 9} bytes and should offer"):
        fetch(server, target, lies(-9), **KNOWN, attempts=1)
    fetch(server, target, lies(-9), **KNOWN)
    assert_whole(target)


def test_an_unknown_length_is_no_obstacle(server: Server, target: Path) -> None:
    fetch(server, target, nameless)
    assert_whole(target)
    target.unlink()
    with pytest.raises(DownloadError, match=f"{len(CONTENT)} bytes came and 7 should have come"):
        fetch(server, target, nameless, nameless, size=7)


@pytest.mark.parametrize("known", [{}, KNOWN])
def test_killed_after_the_last_byte(
    server: Server, target: Path, known: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(part: module._Part) -> None:
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(module._Part, "finish", kill)
        fetch(server, target, **known)
    assert not target.exists()
    fetch(server, target, **known)
    assert_whole(target)
    # Nothing is sent twice: the size says that it is all, or the server does (416).
    assert [asked for _, asked in server.asked[1:]] == ([] if known else [f"bytes={len(CONTENT)}-"])


def test_a_part_that_is_too_long_is_dropped(server: Server, target: Path) -> None:
    with pytest.raises(DownloadError):
        fetch(server, target, drops(0.5), attempts=1)
    with (target.parent / "a.zip.part").open("ab") as part:
        part.write(bytes(len(CONTENT)))
    fetch(server, target)
    assert_whole(target)


def test_what_is_there_is_verified_and_kept(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)
    assert fetch(server, target, **KNOWN).sha256 == SHA256
    assert server.asked == []
    target.write_bytes(OTHER)
    fetch(server, target, **KNOWN)
    assert_whole(target)


def test_a_full_disk_is_foreseen(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(DownloadError, match="300000 bytes are to come and the disk has room for 1"):
        fetch(server, target)
    assert len(server.asked) == 1


def test_only_the_web_is_read(server: Server, target: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    for address in (secret.as_uri(), "ftp://127.0.0.1/a", str(secret), ""):
        with pytest.raises(ValueError, match="neither http nor https"):
            download(address, target)
    with pytest.raises(DownloadError):
        fetch(server, target, redirects(secret.as_uri()))
    assert not target.exists()


def test_redirects_are_followed(server: Server, target: Path) -> None:
    server.files["moved.zip"] = CONTENT
    fetch(server, target, redirects(f"{server.url}/moved.zip"), **KNOWN)
    assert_whole(target)


def test_no_server_at_all(target: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"cannot be reached \(.*\); tried 2 times"):
        download(f"http://127.0.0.1:{port}/a.zip", target, attempts=2, wait=0.0)


def test_progress_is_told(server: Server, target: Path) -> None:
    told: list[tuple[int, int | None]] = []
    fetch(server, target, drops(0.5), report=lambda done, total: told.append((done, total)))
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
