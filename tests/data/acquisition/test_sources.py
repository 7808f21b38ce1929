import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mtlsr.data.acquisition.sources import SOURCES, Archive, data_folder
from mtlsr.data.datasets import DATASETS

ARCHIVES = [archive for source in SOURCES.values() for archive in source.archives]


def test_every_named_data_set_says_where_it_comes_from() -> None:
    assert DATASETS.keys() - SOURCES.keys() == {"folder", "pairs"}
    assert SOURCES.keys() <= DATASETS.keys()
    for source in SOURCES.values():
        assert source.where.endswith(".")
        assert all(SOURCES[part].archives for part in source.parts)


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda archive: archive.name)
def test_addresses_and_hashes_have_their_form(archive: Archive) -> None:
    address = urlsplit(archive.url)
    assert address.scheme in ("http", "https")
    assert address.path.endswith("/" + archive.name)
    assert archive.sha256 is None or re.fullmatch(r"[0-9a-f]{64}", archive.sha256)
    assert archive.md5 is None or re.fullmatch(r"[0-9a-f]{32}", archive.md5)
    assert archive.size is None or archive.size > 0


def test_a_mirror_can_hold_all_archives_in_one_folder() -> None:
    addresses = {(archive.name, archive.url) for archive in ARCHIVES}
    assert len(addresses) == len({name for name, _ in addresses})


def test_the_data_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MTLSR_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("MTLSR_DATA", "~/data")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert data_folder() == tmp_path / "data"
    monkeypatch.delenv("MTLSR_DATA")
    assert data_folder().is_absolute()
    assert "mtlsr" in data_folder().name
