"""Archives: honest ones of every kind, and hostile ones of every kind."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsr.data.acquisition.extract import (
    LIMITS,
    ArchiveError,
    Limits,
    Parcel,
    extract,
    remove_unfinished,
)
from mtlsr.data.images import write_image

CONTENT = {
    "top/readme.txt": b"read me",
    "top/train/1.png": np.random.default_rng(0).bytes(5000),
    "top/train/deep/2.png": np.random.default_rng(1).bytes(5000),
    "top/test/3.png": b"",
}
KINDS = ["zip", "tar", "tar.gz", "tar.bz2", "tar.xz"]
MODES = {"tar": "w", "tar.gz": "w:gz", "tar.bz2": "w:bz2", "tar.xz": "w:xz"}


def pack(path: Path, kind: str, content: dict[str, bytes]) -> Path:
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, data in content.items():
                file.writestr(zip_info(name), data)
    else:
        with tarfile.open(path, MODES[kind]) as file:  # type: ignore[call-overload]
            for name, data in content.items():
                file.addfile(tar_info(name, len(data)), io.BytesIO(data))
    return path


def zip_info(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = name  # the constructor would clean it
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def tar_info(
    name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, linkname: str = ""
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, linkname
    return info


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_refused(archive: Path, reason: str, tmp_path: Path, limits: Limits = LIMITS) -> None:
    """It says why, and nothing of the archive is anywhere."""
    before = contents(tmp_path)
    with pytest.raises(ArchiveError, match=reason):
        extract([Parcel(archive)], tmp_path / "data" / "out", limits)
    assert contents(tmp_path) == before
    assert not list((tmp_path / "data").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_everything_comes_out(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / "named.otherwise", kind, CONTENT)
    out = extract([Parcel(archive)], tmp_path / "data" / "out")
    assert contents(out) == CONTENT
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["out"]


@pytest.mark.parametrize("kind", KINDS)
def test_wanted_folders_alone_come_out(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / "a", kind, CONTENT)
    wanted = {"top/train": "train", "top/test": "held/out"}
    out = extract([Parcel(archive, wanted, without=["1.png"])], tmp_path / "out")
    assert contents(out) == {
        "train/deep/2.png": CONTENT["top/train/deep/2.png"],
        "held/out/3.png": b"",
    }


def test_several_archives_and_images_become_one_folder(tmp_path: Path) -> None:
    first = pack(tmp_path / "a.zip", "zip", {"x/1.txt": b"1"})
    second = pack(tmp_path / "b.tar", "tar", {"y/2.txt": b"2"})
    write_image(tmp_path / "c.png", np.zeros((4, 4, 3), np.uint8))
    both = [Parcel(first, {"x": "both"}), Parcel(second, {"y": "both"})]
    out = extract([*both, Parcel(tmp_path / "c.png")], tmp_path / "out")
    assert sorted(contents(out)) == ["both/1.txt", "both/2.txt", "c.png"]


def test_names_that_begin_with_a_dot_and_folders_of_their_own(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        for name in (".", "./top", "./top/empty"):
            file.addfile(tar_info(name, kind=tarfile.DIRTYPE))
        file.addfile(tar_info("./top/1.txt", 1), io.BytesIO(b"1"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.mkdir("top")
        packed.writestr("top/1.txt", b"1")
    for archive in ("a.tar", "a.zip"):
        out = extract([Parcel(tmp_path / archive, {"top": ""})], tmp_path / f"{archive}.out")
        assert contents(out) == {"1.txt": b"1"}


def test_permissions_of_the_archive_are_ignored(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        info = tar_info("run.sh", 1)
        info.mode = 0o4777
        file.addfile(info, io.BytesIO(b"1"))
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    out = extract([Parcel(tmp_path / "a.tar")], tmp_path / "out")
    assert (out / "run.sh").stat().st_mode == plain.stat().st_mode
    assert out.stat().st_mode & 0o777 == 0o755


HOSTILE = [
    "../evil.png", "a/../../evil.png", "/evil.png", "a/..", "..", "..\\evil.png", "C:evil.png",
    "c:/evil.png", "a\\b.png", "//server/share", "a/\n.png", "\x1b[2J.png",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_leave_the_folder(tmp_path: Path, kind: str, name: str) -> None:
    archive = pack(tmp_path / "a", kind, {"good.png": b"good", name: b"evil"})
    assert_refused(archive, "would leave the folder", tmp_path)


def test_names_that_leave_the_folder_even_where_they_are_not_wanted(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a", "zip", {"top/1.png": b"good", "../evil.png": b"evil"})
    with pytest.raises(ArchiveError, match=r"'\.\./evil\.png' would leave the folder"):
        extract([Parcel(archive, {"top": "top"})], tmp_path / "out")


def test_a_name_with_a_nul(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a", "zip", {"good.png?../../evil": b"evil"})
    archive.write_bytes(archive.read_bytes().replace(b"png?", b"png\0"))
    assert_refused(archive, "would leave the folder|no archive", tmp_path)


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(
        st.text(st.sampled_from("ab./\\:\0 ~é"), min_size=1, max_size=12), max_size=4, unique=True
    ),
    kind=st.sampled_from(["zip", "tar"]),
)
def test_no_name_whatever_leaves_the_folder(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], kind: str
) -> None:
    above = tmp_path_factory.mktemp("above")
    archive = pack(above / "archive", kind, {name: b"x" for name in names})
    target = above / "data" / "out"
    try:
        extract([Parcel(archive)], target)
    except ArchiveError:
        assert not target.exists()
    allowed = {above / "archive", above / "data"}
    stray = [path for path in above.rglob("*") if path not in allowed and not (
        path == target or path.is_relative_to(target)
    )]  # fmt: skip
    assert not stray


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
)
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as file:
        file.addfile(tar_info("good.png", 4), io.BytesIO(b"good"))
        file.addfile(tar_info("way", kind=kind, linkname="good.png"))
        file.addfile(tar_info("way/evil", 4), io.BytesIO(b"evil"))
    assert_refused(tmp_path / "a.tar", "'way' is a link or a device", tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_in_a_zip(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr(zip_info("way", kind | 0o777), "/etc")
        file.writestr(zip_info("way/evil"), b"evil")
    assert_refused(tmp_path / "a.zip", "'way' is a link or a device", tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_bombs(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / "a", kind, {"1.png": bytes(1 << 20), "2.png": bytes(1 << 20)})
    assert archive.stat().st_size < 20_000
    limits = Limits(ratio=50, slack=1000)
    most = limits.bytes(archive)
    assert_refused(archive, f"more than {most} bytes come out of it: it is an ar", tmp_path, limits)
    extract([Parcel(archive)], tmp_path / "out", Limits(ratio=50, slack=1 << 22))
    with pytest.raises(ArchiveError, match="more than 1000 bytes"):
        extract([Parcel(archive)], tmp_path / "out2", Limits(total=1000))


def test_a_bomb_that_states_a_small_size(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a", "zip", {"1.png": bytes(1 << 20)})
    lying = archive.read_bytes().replace(struct.pack("<I", 1 << 20), struct.pack("<I", 100))
    archive.write_bytes(lying)
    assert_refused(archive, "a damaged one|bomb", tmp_path, Limits(slack=1000, ratio=1))


def test_a_bomb_in_the_headers_of_a_tar(tmp_path: Path) -> None:
    """An extended header that would fill the memory before a single file came out."""
    size = 1 << 26
    header = tarfile.TarInfo("pax")
    header.size, header.type = size, tarfile.XHDTYPE
    with gzip.open(tmp_path / "a.tgz", "wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    assert_refused(tmp_path / "a.tgz", "bomb", tmp_path, Limits(slack=1 << 20, ratio=1))


def test_a_bomb_of_holes(tmp_path: Path) -> None:
    """A sparse file takes no bytes in the archive and would take a terabyte outside."""
    info = tarfile.TarInfo("1.png")
    info.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "1.png",
        "GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1",
        "GNU.sparse.map": f"{(1 << 40) - 1},1",
    }  # fmt: skip
    info.size = 1
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as file:
        file.addfile(info, io.BytesIO(b"x"))
    assert_refused(tmp_path / "a.tar", "bomb", tmp_path, Limits(slack=1 << 20))


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_too_many_files(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / "a", kind, {f"{i}.png": b"" for i in range(11)})
    assert_refused(archive, "more than 10 files", tmp_path, Limits(files=10))
    extract([Parcel(archive)], tmp_path / "out", Limits(files=11))


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("names", [("1.png", "./1.png"), ("1.png", "1.png/2.png"), ("a/b", "a")])
def test_two_members_of_one_place(tmp_path: Path, kind: str, names: tuple[str, str]) -> None:
    archive = pack(tmp_path / "a", kind, dict.fromkeys(names, b"x"))
    assert_refused(archive, "twice, or as file and folder", tmp_path)


def test_an_encrypted_zip(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a", "zip", {"1.png": b"x"})
    data = bytearray(archive.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(data)
    assert_refused(archive, r"'1\.png' is encrypted", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_truncated_archives(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / "a", kind, CONTENT)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 3])
    assert_refused(archive, "no archive, or a damaged one", tmp_path)


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "tar.bz2", "tar.xz"])
def test_damaged_archives(tmp_path: Path, kind: str) -> None:
    archive = pack(tmp_path / "a", kind, CONTENT)
    data = bytearray(archive.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = bytes(255 - value for value in data[middle : middle + 64])
    archive.write_bytes(data)
    assert_refused(archive, "no archive, or a damaged one", tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"<html>moved</html>", b"PK\3\4", b"\x1f\x8b", zlib.compress(b"x" * 999)]
)
def test_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    assert_refused(tmp_path / "a.zip", r"a\.zip: it is no archive, or a damaged one", tmp_path)


def test_an_image_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(b"<html>moved</html>")
    assert_refused(tmp_path / "1.png", r"1\.png: this is not an image", tmp_path)


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a", "zip", CONTENT)
    with pytest.raises(ArchiveError, match=r"lacks the folder val\."):
        extract([Parcel(archive, {"top/train": "train", "val": "val"})], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_target_that_is_there(tmp_path: Path) -> None:
    archive = pack(tmp_path / "a", "zip", CONTENT)
    (tmp_path / "out").mkdir()
    with pytest.raises(FileExistsError, match="out exists already"):
        extract([Parcel(archive)], tmp_path / "out")


def test_what_killed_processes_left_is_swept(tmp_path: Path) -> None:
    left = tmp_path / ".unfinished-out-abc"
    left.mkdir()
    (left / "1.png").write_bytes(b"x")
    others = [tmp_path / ".unfinished-other-abc", tmp_path / "out"]
    for other in others:
        other.mkdir()
    remove_unfinished(tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(tmp_path / "a", "zip", CONTENT)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(OSError, match="No space left"):
        extract([Parcel(archive)], tmp_path / "data" / "out")
    assert not list((tmp_path / "data").iterdir())
