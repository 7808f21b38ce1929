"""A loader process does not keep what it reads of a store, however large that is."""

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest

from mtlsr.data.degradation import bicubic
from mtlsr.data.images import write_image
from mtlsr.data.loader import build_loader
from mtlsr.data.samples import SampleDataset
from mtlsr.data.store import Store

GIGABYTE = 10**9
SIZE = 4.3 * GIGABYTE


def resident(pid: int | None, kind: str) -> int:
    """Bytes of a process's memory of one kind."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"Linux does not say {kind}.")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system has no /proc")
def test_a_store_of_four_gigabytes_leaves_no_trace_in_the_worker(tmp_path: Path) -> None:
    if shutil.disk_usage(tmp_path).free < 2 * SIZE:
        pytest.skip("the disk has no room for a store of four gigabytes")
    noise = np.random.default_rng(0).integers(0, 256, (3072, 4096, 3), dtype=np.uint8)
    write_image(tmp_path / "0.bmp", noise)
    names = [tmp_path / f"{i}.bmp" for i in range(int(SIZE / noise.nbytes / 1.0625) + 1)]
    for name in names[1:]:
        name.hardlink_to(names[0])
    store = Store.open(names, 4, tmp_path / "cache")
    stored = sum(path.stat().st_size for path in store.folder.glob("*.bin"))
    assert stored >= SIZE

    samples = SampleDataset(store, patch=48, seed=0, degradation=bicubic)
    drawn = 3 * 48 * 48 * 17
    batches = int(stored / drawn / 16)
    anonymous, mapped = [], []
    for number, _ in enumerate(build_loader(samples, 16, batches, workers=1), start=1):
        if number in (1, batches):
            (worker,) = multiprocessing.active_children()
            anonymous.append(resident(worker.pid, "RssAnon"))
            mapped.append(resident(worker.pid, "RssFile"))
    assert mapped[1] - mapped[0] > GIGABYTE  # it has read from all over the place
    assert anonymous[1] - anonymous[0] < 300_000_000
    shutil.rmtree(tmp_path / "cache")
