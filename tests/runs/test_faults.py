"""Full disks, files that vanish, clocks that go back: a sentence, and nothing good is lost."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mtlsr.errors import UserError
from mtlsr.runs.checkpoints import CheckpointError, read
from mtlsr.runs.progress import StageProgress
from mtlsr.runs.stopping import Interrupted
from mtlsr.train import run
from tests.runs.test_resuming import PLAN, Died, at, dying
from tests.runs.test_signals import asked_at
from tests.same_runs import assert_equal, assert_same, logged


@pytest.fixture(scope="module")
def straight(tmp_path_factory, composer):
    return run(composer(tmp_path_factory.mktemp("straight"), "train", *PLAN))


@pytest.fixture
def stopped(compose):
    """Folder of a run that died after step 7 of stage 2, with checkpoints of 6 and 4 there."""
    cfg = compose("train", *PLAN, folder="stopped")
    with dying(StageProgress, "on_train_batch_end", at("restoration", 7)), pytest.raises(Died):
        run(cfg)
    return Path(cfg.folder)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "gone"])
def test_a_damaged_last_checkpoint_costs_a_few_steps(compose, stopped, straight, capfd, damage):
    last = stopped / "checkpoints" / "restoration" / "last.ckpt"
    content = bytearray(last.read_bytes())
    last.unlink()  # the best one may be the same file
    if damage == "truncated":
        last.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[len(content) // 2] ^= 255
        last.write_bytes(content)
    elif damage == "empty":
        last.write_bytes(b"")
    assert_same(straight, run(compose("train", f"resume={stopped}")))
    said = capfd.readouterr().out
    assert ("last.ckpt' is damaged" in said) == (damage != "gone")
    assert "Going on with restoration after step" in said


def test_where_every_checkpoint_is_damaged_the_run_says_so_and_touches_nothing(compose, stopped):
    kept = stopped / "checkpoints" / "restoration"
    for path in kept.iterdir():
        path.unlink()
        path.with_name("last.ckpt").write_bytes(b"rubbish")
    with pytest.raises(CheckpointError, match="delete that folder to train this stage"):
        run(compose("train", f"resume={stopped}"))
    shutil.rmtree(kept)
    run(compose("train", f"resume={stopped}"))


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 6 MB, or the next best thing: a limit on the size of a file."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode == 0:
        yield folder
        subprocess.run(["umount", "-l", str(folder)], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    yield folder
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_stops_the_run_which_goes_on_when_there_is_room(compose, small_disk, straight):
    cfg = compose("train", *PLAN, "stages=[realism]", f"folder={small_disk}/run")
    filler = small_disk / "filler"
    original = StageProgress.on_train_batch_end
    mounted = os.path.ismount(small_disk)

    def fill(self, trainer, module, *rest):
        original(self, trainer, module, *rest)
        if trainer.global_step == 3 and mounted:
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(512))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StageProgress, "on_train_batch_end", fill)
        with pytest.raises(UserError, match=r"\((No space left on device|File too large)\)") as end:
            run(cfg)
    assert "Make room and go on" in str(end.value)
    assert "\n" not in str(end.value)
    kept = small_disk / "run" / "checkpoints" / "realism"
    assert not list(small_disk.rglob(".*.tmp"))
    if not mounted:
        return
    assert read(kept / "last.ckpt")["global_step"] == 2
    assert json.loads((small_disk / "run" / "manifest.json").read_text())["status"] == "failed"
    filler.unlink()
    run(compose("train", f"resume={cfg.folder}"))
    expected = read(straight / "checkpoints" / "realism" / "last.ckpt")
    assert_equal(expected["state_dict"], read(kept / "last.ckpt")["state_dict"])
    steps = [int(row["step"]) for row in logged(small_disk / "run") if row["realism/loss"]]
    assert steps == [0, 1, 2, 3]


def test_a_clock_that_goes_back_changes_nothing(compose, straight, monkeypatch):
    now = [time.time()]

    def back() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", back)
    cfg = compose("train", *PLAN, "trainer.checkpoint.minutes=0.0001", folder="back")
    with asked_at(3, signal.SIGTERM), pytest.raises(Interrupted):
        run(cfg)
    folder = run(compose("train", f"resume={cfg.folder}"))
    assert (folder / "model" / "model.safetensors").read_bytes() == (
        straight / "model" / "model.safetensors"
    ).read_bytes()


def test_a_photograph_that_vanishes_in_training_is_named_and_can_come_back(
    compose, small_photographs, tmp_path
):
    copy = shutil.copytree(small_photographs, tmp_path / "photographs")
    original = StageProgress.on_train_batch_end

    def vanish(self, trainer, module, *rest):
        original(self, trainer, module, *rest)
        (copy / "a.png").unlink(missing_ok=True)

    cfg = compose("train", f"dataset.root={copy}")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StageProgress, "on_train_batch_end", vanish)
        with pytest.raises(ValueError, match=r"a\.png: the file does not exist"):
            run(cfg)
    shutil.copy(small_photographs / "a.png", copy)
    folder = run(compose("train", f"resume={cfg.folder}"))
    assert (folder / "results.json").exists()
