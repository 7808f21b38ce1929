"""Data sets by name, from a server on loopback into a folder of the test's."""

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mtlsr.data.acquisition import fetch as module
from mtlsr.data.acquisition.download import DownloadError
from mtlsr.data.acquisition.extract import ArchiveError
from mtlsr.data.acquisition.fetch import Options, archives, fetch
from mtlsr.data.acquisition.sources import SOURCES, Archive, Source
from mtlsr.errors import UserError
from tests.loopback import Server, drops, slow


def packed(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(f"top/{name}", content)
    return buffer.getvalue()


FIRST, SECOND = packed(a=b"1" * 9000, b=b"2" * 9000), packed(c=b"3" * 9000)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"first.zip": FIRST, "second.zip": SECOND}) as server:
        yield server


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The data folder, and two data sets with addresses."""
    monkeypatch.setenv("MTLSR_DATA", str(tmp_path / "data"))
    first = Archive("https://example.org/x/first.zip", "first.zip", folders={"top": "one"})
    second = Archive("https://example.org/second.zip", "second.zip", folders={"top": "two"})
    monkeypatch.setitem(SOURCES, "both", Source("Both.", (first, second)))
    monkeypatch.setitem(SOURCES, "other", Source("Other.", (second,)))
    monkeypatch.setitem(SOURCES, "sum", Source("Sum.", parts=("both", "other")))
    return tmp_path / "data"


def options(server: Server, **more: object) -> Options:
    return Options(mirror=server.url, wait=0.0, **more)  # type: ignore[arg-type]


def tree(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


NOTED = [".downloads/both/archives.json", ".downloads/both/lock"]


def test_a_data_set_is_fetched_once(server: Server, data: Path) -> None:
    assert fetch("both", options(server)) == [data / "both"]
    assert tree(data) == [*NOTED, "both/one/a", "both/one/b", "both/two/c"]
    assert fetch("both", options(server)) == [data / "both"]
    assert [path for path, _ in server.asked] == ["/first.zip", "/second.zip"]
    assert [came.sha256 for came in archives("both")] == [
        hashlib.sha256(content).hexdigest() for content in (FIRST, SECOND)
    ]


def test_archives_can_be_kept_and_are_used_again(server: Server, data: Path) -> None:
    fetch("other", options(server, keep_archives=True))
    assert (data / ".downloads" / "other" / "second.zip").read_bytes() == SECOND
    (data / "other").rename(data / "away")
    fetch("other", options(server))
    assert len(server.asked) == 1
    assert not (data / ".downloads" / "other" / "second.zip").exists()


def test_parts_are_fetched_one_by_one(server: Server, data: Path) -> None:
    assert fetch("sum", options(server)) == [data / "both", data / "other"]
    assert not (data / "sum").exists()


def test_an_interrupted_download_goes_on(server: Server, data: Path) -> None:
    server.plan.append(drops(0.5))
    with pytest.raises(DownloadError, match="broke"):
        fetch("both", options(server, attempts=1))
    assert not (data / "both").exists()
    fetch("both", options(server))
    assert server.asked[1] == ("/first.zip", f"bytes={len(FIRST) // 2}-")
    assert tree(data / "both") == ["one/a", "one/b", "two/c"]


def test_killed_before_unpacking(
    server: Server, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(module, "extract", kill)
        fetch("both", options(server))
    (data / ".unfinished-both-killed").mkdir()
    fetch("both", options(server))
    assert len(server.asked) == 2
    assert tree(data) == [*NOTED, "both/one/a", "both/one/b", "both/two/c"]
    assert not (data / ".unfinished-both-killed").exists()


def test_another_file_under_a_known_name_is_refused(server: Server, data: Path) -> None:
    fetch("other", options(server))
    (data / "other").rename(data / "away")
    server.files["second.zip"] = FIRST
    record = data / ".downloads" / "other" / "archives.json"
    with pytest.raises(DownloadError, match=f"an earlier download had .*; delete {record} to take"):
        fetch("other", options(server))
    assert not (data / "other").exists()
    record.unlink()
    fetch("other", options(server))
    assert tree(data / "other") == ["two/a", "two/b"]


def test_a_page_instead_of_an_archive_is_not_kept(server: Server, data: Path) -> None:
    server.files["second.zip"] = b"<html>We have moved</html>"
    with pytest.raises(ArchiveError, match="no archive"):
        fetch("other", options(server))
    assert tree(data) == [".downloads/other/lock"]
    server.files["second.zip"] = SECOND
    fetch("other", options(server))
    assert tree(data / "other") == ["two/c"]


def test_two_at_once_download_once(server: Server, data: Path) -> None:
    server.usual = slow(10, 0.02)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            fetch("both", options(server))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not errors
    assert len(server.asked) == 2
    assert tree(data / "both") == ["one/a", "one/b", "two/c"]


def test_what_has_no_address_says_where_it_is(data: Path) -> None:
    with pytest.raises(UserError, match=f"ask for it.* put its images into {data}/manga109"):
        fetch("manga109")
    (data / "manga109").mkdir(parents=True)
    assert fetch("manga109") == [data / "manga109"]
    assert fetch("photos") == []
    with pytest.raises(UserError, match="no address for the data set 'folder'"):
        fetch("folder")


def test_the_record_may_be_damaged(server: Server, data: Path) -> None:
    record = data / ".downloads" / "other" / "archives.json"
    record.parent.mkdir(parents=True)
    for text in ("", "[]", '{"second.zip": {"size": 1}}', "{"):
        record.write_text(text)
        assert archives("other") == []
    fetch("other", options(server))
    assert json.loads(record.read_text())["second.zip"]["size"] == len(SECOND)


def test_without_a_mirror_the_authors_are_asked() -> None:
    archive = SOURCES["both"].archives[0]
    assert module.address(archive, None) == "https://example.org/x/first.zip"
    assert module.address(archive, "http://here/there/") == "http://here/there/first.zip"
