"""Building a store: by several processes at once, killed on the way, and of any size."""

import multiprocessing
import os
import signal
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtlsr.data import store as module
from mtlsr.data.images import read_image, write_image
from mtlsr.data.store import Store
from tests.waiting import waits_for

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the tests fork and kill")
FORK: Any = multiprocessing.get_context("fork" if os.name == "posix" else None)


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    for name in "abc":
        write_image(tmp_path / f"{name}.bmp", rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    return [tmp_path / f"{name}.bmp" for name in "abc"]


def build(sources: list[Path], cache: Path, barrier: Any, results: Any) -> None:
    barrier.wait()
    results.put(Store.open(sources, 4, cache).fingerprint)


def build_haltingly(sources: list[Path], cache: Path, begun: Path, go_on: Path) -> None:
    """Wait for `go_on` before the second photograph is decoded."""

    def read(path: Path) -> np.ndarray:
        if path == sources[1]:
            begun.touch()
            waits_for(go_on)
        return read_image(path)

    module.read_image = read
    Store.open(sources, 4, cache)


@pytest.fixture
def halted(sources: list[Path], tmp_path: Path) -> Callable[[], Any]:
    """Starts a builder that has stored one photograph and waits for the file `go_on`."""

    def start() -> Any:
        places = (tmp_path / "cache", tmp_path / "begun", tmp_path / "go_on")
        builder = FORK.Process(target=build_haltingly, args=(sources, *places))
        builder.start()
        waits_for(tmp_path / "begun")
        return builder

    return start


def test_four_processes_build_one_store(sources: list[Path], tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    barrier, results = FORK.Barrier(4), FORK.Queue()
    builders = [
        FORK.Process(target=build, args=(sources, cache, barrier, results)) for _ in range(4)
    ]
    for builder in builders:
        builder.start()
    fingerprints = {results.get(timeout=30) for _ in builders}
    for builder in builders:
        builder.join(timeout=30)
    assert [builder.exitcode for builder in builders] == [0] * 4
    (folder,) = cache.iterdir()
    assert fingerprints == {Store(folder).fingerprint}
    assert {path.name for path in folder.iterdir()} == {"hr.bin", "lr.bin", "index.json"}


def test_a_killed_builder_leaves_no_store_and_the_next_one_cleans_up(
    sources: list[Path], tmp_path: Path, halted: Callable[[], Any]
) -> None:
    builder = halted()
    os.kill(builder.pid, signal.SIGKILL)
    builder.join()
    left = list((tmp_path / "cache").iterdir())
    assert left
    assert all(path.name.startswith(".unfinished-") for path in left)
    store = Store.open(sources, 4, tmp_path / "cache")
    assert len(store) == 3
    assert list((tmp_path / "cache").iterdir()) == [store.folder]


def test_a_builder_at_work_is_left_alone(
    sources: list[Path], tmp_path: Path, halted: Callable[[], Any]
) -> None:
    builder = halted()
    other = Store.open(sources[:1], 4, tmp_path / "cache")
    (tmp_path / "go_on").touch()
    builder.join(timeout=30)
    assert builder.exitcode == 0
    whole = Store.open(sources, 4, tmp_path / "cache")
    assert len(whole) == 3
    assert set((tmp_path / "cache").iterdir()) == {other.folder, whole.folder}


def test_building_needs_memory_for_one_photograph(tmp_path: Path) -> None:
    write_image(tmp_path / "a.bmp", np.zeros((200, 200, 3), np.uint8))
    names = [tmp_path / f"{i}.bmp" for i in range(60)]
    for name in names:
        os.link(tmp_path / "a.bmp", name)
    peaks = []
    for count in (2, 60):
        tracemalloc.start()
        Store.open(names[:count], 4, tmp_path / "cache")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 200 * 200 * 3  # 58 more photographs


@pytest.mark.parametrize("name", [b"\xff.bmp", b"a\nb.bmp"])
def test_names_that_are_no_text(sources: list[Path], tmp_path: Path, name: bytes) -> None:
    try:
        odd = sources[0].rename(tmp_path / os.fsdecode(name))
    except OSError:
        pytest.skip("this file system does not take such names")
    store = Store.open([odd, sources[1]], 4, tmp_path / "cache")
    assert Store(store.folder).names[1] == sources[1].name
