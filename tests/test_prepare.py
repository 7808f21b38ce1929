"""`python -m mtlsr.prepare`: from an address to photographs that training reads."""

import io
import json
import multiprocessing
import os
import random
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import hydra
import numpy as np
import pytest
from omegaconf import DictConfig

from mtlsr import prepare
from mtlsr.data.acquisition.sources import SOURCES, Archive, Source
from mtlsr.data.images import read_image, write_image
from mtlsr.data.resize import bicubic_downscale, bicubic_upscale
from mtlsr.data.store import Store
from mtlsr.errors import UserError
from mtlsr.runs import photographs
from mtlsr.runs.command import conf_folder, execute, quoted
from mtlsr.runs.schema import register
from tests import hostile
from tests.conftest import Command, Compose
from tests.loopback import Server, deaf, drops, fails, slow

PATCH = ["scale=2", "patch=16"]


def photograph(seed: int, side: int = 12) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (side, side + 3, 3), dtype=np.uint8)
    return bicubic_upscale(coarse, 4)


def encoded(seed: int) -> bytes:
    import cv2

    return cv2.imencode(".png", photograph(seed)[..., ::-1])[1].tobytes()


def packed(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for seed, name in enumerate(names):
            file.writestr(zipfile.ZipInfo(name), encoded(seed))
    return buffer.getvalue()


DIV2K = {
    "DIV2K_train_HR.zip": packed([f"DIV2K_train_HR/{i:04d}.png" for i in range(1, 7)]),
    "DIV2K_valid_HR.zip": packed([f"DIV2K_valid_HR/{i:04d}.png" for i in range(801, 803)]),
}
"""Two archives of the real names, without the real sizes and hashes."""


@pytest.fixture
def server() -> Iterator[Server]:
    files = {f"kodim{i:02d}.png": encoded(i) for i in range(1, 25)}
    with Server({**DIV2K, **files}) as server:
        yield server


@pytest.fixture(autouse=True)
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The data folder, empty, and DIV2K as small as above."""
    monkeypatch.setenv("MTLSR_DATA", str(tmp_path / "data"))
    monkeypatch.setitem(SOURCES, "div2k", small_div2k())
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def small_div2k() -> Source:
    folders = {name: name.removesuffix(".zip") for name in DIV2K}
    archives = (
        Archive(f"https://example.org/{name}", name, folders={folder: folder})
        for name, folder in folders.items()
    )
    return Source("DIV2K.", tuple(archives))


@pytest.fixture
def configured(tmp_path: Path) -> Compose:
    """`configured("dataset=div2k", ...)` composes the real configuration."""
    register()

    def compose(*overrides: str) -> DictConfig:
        given = [f"output={tmp_path}/out", f"folder={tmp_path}/out", f"cache={tmp_path}/cache"]
        given = [quoted(argument, []) for argument in [*given, *PATCH, *overrides]]
        with hydra.initialize_config_dir(str(conf_folder()), version_base="1.3"):
            return hydra.compose("prepare", given)

    return compose


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def test_a_share_that_is_none_is_refused_before_anything_is_decoded(
    configured: Compose, tmp_path: Path
) -> None:
    cfg = configured("dataset=folder", f"dataset.root={tmp_path}", "dataset.shrunk=[1.5]")
    with pytest.raises(UserError, match=r"shrunk holds 1\.5: shares above 0 and below 1"):
        prepare.check(cfg)


def test_a_data_set_from_its_archives_to_its_store(
    server: Server,
    data: Path,
    configured: Compose,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.plan.extend([drops(0.5), deaf])
    cfg = configured("dataset=div2k", f"mirror={server.url}")
    prepare.check(cfg)
    assert server.asked == []
    assert prepare.run(cfg) == tmp_path / "out"

    noted = manifest(data / "div2k")
    assert [entry["split"] for entry in noted["files"]] == ["train"] * 6 + ["val"] * 2
    assert noted["files"][0]["file"] == "DIV2K_train_HR/0001.png"
    assert noted["unusable"] == []
    assert [archive["size"] for archive in noted["archives"]] == list(map(len, DIV2K.values()))

    # What a run notes of its data is the manifest's fingerprint.
    files = photographs.dataset(cfg)
    kept = photographs.stage_store(cfg, "restoration", files)
    assert noted["fingerprint"] == kept.fingerprint
    np.testing.assert_array_equal(kept.hr(0), photograph(0))
    sheet = read_image(tmp_path / "out" / "contact_sheet.png")
    assert sheet.std() > 10
    report = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert report["counts"]["duplicate"] == 2  # the two archives begin with the same photographs
    said = capsys.readouterr().out
    assert noted["fingerprint"][:40] in said
    assert "6 images" in said


def test_a_second_time_nothing_is_fetched_and_nothing_changes(
    server: Server, data: Path, configured: Compose
) -> None:
    cfg = configured("dataset=div2k", f"mirror={server.url}", "samples=0", "verify=false")
    prepare.run(cfg)
    first = (data / "div2k" / "manifest.json").read_bytes()
    prepare.run(cfg)
    assert (data / "div2k" / "manifest.json").read_bytes() == first
    assert len(server.asked) == 2
    assert not Path(cfg.folder).exists()  # nothing was written there, and an empty folder is litter


def test_a_benchmark_is_for_testing_and_has_no_store(
    server: Server, data: Path, configured: Compose, tmp_path: Path
) -> None:
    server.plan.append(fails(503))
    cfg = configured("dataset=kodak24", f"mirror={server.url}")
    prepare.run(cfg)
    noted = manifest(data / "kodak24")
    assert [entry["file"] for entry in noted["files"]] == [
        f"kodim{i:02d}.png" for i in range(1, 25)
    ]
    assert {entry["split"] for entry in noted["files"]} == {"test"}
    assert not (tmp_path / "cache").exists()
    assert not (tmp_path / "out" / "contact_sheet.png").exists()
    assert len(noted["fingerprint"]) == 64


def test_photographs_of_a_benchmark_are_found(
    server: Server, configured: Compose, tmp_path: Path
) -> None:
    prepare.run(configured("dataset=kodak24", f"mirror={server.url}", "verify=false"))
    root = tmp_path / "photographs"
    root.mkdir()
    write_image(root / "own.png", photograph(100, 24))
    write_image(root / "taken.jpg", read_image(tmp_path / "data" / "kodak24" / "kodim07.png"))
    extra = tmp_path / "Other"
    (extra / "HR").mkdir(parents=True)
    write_image(extra / "HR" / "1.png", photograph(100, 24))
    ours = ["dataset=folder", f"dataset.root={root}", "dataset.holdout=0", "samples=0"]
    prepare.run(configured(*ours, f"benchmarks=[{extra}]"))
    report = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert report["benchmark_files"] == 25
    found = {finding["file"]: finding["finding"] for finding in report["findings"]}
    assert found.keys() == {"own.png", "taken.jpg"}
    assert "kodim07.png" in found["taken.jpg"]


def test_low_resolution_that_is_not_its_own_is_found(configured: Compose, tmp_path: Path) -> None:
    root = tmp_path / "Set5"
    for name, image in (
        ("right", photograph(1)),
        ("moved", photograph(2)),
        ("small", photograph(3)),
    ):
        lr = bicubic_downscale(image, 2)
        changed = {"moved": np.roll(lr, 1, axis=1), "small": lr[1:]}.get(name, lr)
        for folder, picture in (("HR", image), ("LR_x2", changed)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            write_image(root / folder / f"{name}.png", picture)
    prepare.run(configured("dataset=set5", f"dataset.root={root}"))
    report = json.loads((tmp_path / "out" / "verification.json").read_text())
    assert {finding["file"]: finding["kind"] for finding in report["findings"]} == {
        "LR_x2/moved.png": "LR not bicubic",
        "LR_x2/small.png": "LR of another size",
    }
    assert manifest(tmp_path / "out")["dataset"] == "set5"


def test_a_given_folder_is_only_read(
    configured: Compose, small_photographs: Path, tmp_path: Path
) -> None:
    before = sorted(small_photographs.rglob("*"))
    cfg = configured("dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=1")
    prepare.run(cfg)
    assert sorted(small_photographs.rglob("*")) == before
    noted = manifest(tmp_path / "out")
    assert sorted(entry["split"] for entry in noted["files"]) == ["train"] * 3 + ["val"]
    assert noted["archives"] == []


def test_only_looking_writes_only_a_report(
    configured: Compose, small_photographs: Path, tmp_path: Path
) -> None:
    ours = ["dataset=folder", f"dataset.root={small_photographs}", "dataset.holdout=0"]
    prepare.run(configured(*ours, "verify_only=true"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["verification.json"]
    assert not (tmp_path / "cache").exists()


def test_a_hostile_folder_is_processed_to_the_end(
    configured: Compose, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "hostile"
    root.mkdir()
    good, bad = hostile.fill(root)
    assert len(good) + len(bad) >= 60
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    prepare.run(configured("dataset=folder", f"dataset.root={root}", "dataset.holdout=0"))

    noted = manifest(tmp_path / "out")
    assert {os.fsencode(entry["file"]) for entry in noted["files"]} == good
    reasons = {os.fsencode(entry["file"]): entry["reason"] for entry in noted["unusable"]}
    assert reasons.keys() == bad
    assert all(len(reason) > 5 for reason in reasons.values())
    stores = list((tmp_path / "cache" / "photographs").iterdir())
    assert len(stores) == 1
    assert len(Store(stores[0])) == len(good)  # every good one is used

    after = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    written = {path for path in after if after[path] != before.get(path)}
    mine = (tmp_path / "out", tmp_path / "cache")
    assert all(any(path.is_relative_to(folder) for folder in mine) for path in written)
    said = capsys.readouterr().out
    assert f"{len(bad)}" in said
    assert "\x1b[2J" not in said

    with pytest.raises(UserError, match=f"strict: {len(bad)} files of folder cannot be used"):
        prepare.run(
            configured("dataset=folder", f"dataset.root={root}", "dataset.holdout=0", "strict=true")
        )


def test_nothing_usable_is_an_error(configured: Compose, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    for name in "ab":
        (tmp_path / "bad" / f"{name}.png").write_bytes(b"no image")
    cfg = configured("dataset=folder", f"dataset.root={tmp_path}/bad", "dataset.holdout=0")
    with pytest.raises(UserError, match="None of the 2 files of folder can be used"):
        prepare.run(cfg)
    assert len(manifest(tmp_path / "out")["unusable"]) == 2


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["dataset=manga109"], "Manga109 is given to researchers who ask for it"),
        (["dataset=folder", "dataset.root=nowhere"], "The folder nowhere does not exist"),
        (["dataset=folder"], "dataset.root"),
        (["mirror=ftp://127.0.0.1"], "an http or https address is needed"),
        (["scale=17"], "scale is 17"),
        (["benchmarks=[nowhere]"], "nowhere does not exist"),
        (["dataset=nonsense"], "dataset/nonsense"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    overrides: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["mtlsr.prepare", *overrides])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(SystemExit) as end:
        execute("prepare", prepare.run, prepare.check)
    assert end.value.code == 1
    error = capfd.readouterr().err
    assert said in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_the_authors_hash_is_demanded(
    server: Server, data: Path, configured: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("MTLSR_DATA", str(data))
    with pytest.raises(UserError, match="bytes and should offer 3530603713"):
        monkeypatch.setattr("mtlsr.data.acquisition.download.time.sleep", lambda seconds: None)
        prepare.run(configured("dataset=div2k", f"mirror={server.url}"))
    assert not (data / "div2k").exists()


def test_the_command(command: Command, server: Server, data: Path, tmp_path: Path) -> None:
    done = command(
        "prepare", tmp_path, "dataset=kodak24", f"mirror={server.url}", *PATCH, "output=a, b (1)"
    )
    assert done.returncode == 0, done.stderr
    assert "kodak24: kodim01.png ..." in done.stderr
    assert "24 images" in done.stdout
    assert (tmp_path / "a, b (1)" / "verification.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a, b (1)", "data"]


def _work(arguments: list[str], folder: str) -> None:
    """The command as a process of its own would run it."""
    os.chdir(folder)
    os.environ["MTLSR_DATA"] = f"{folder}/data"
    silent = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silent, stream)
    SOURCES["div2k"] = small_div2k()
    sys.argv = ["mtlsr.prepare", *arguments, f"cache={folder}/cache", f"output={folder}/out"]
    prepare.main()


class Victim:
    """Runs the command in processes that start quickly, since what it imports is there already."""

    def __init__(self, url: str) -> None:
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["mtlsr.runs.preparation", "mtlsr.runs.command", "cv2"])
        self.arguments = ["dataset=div2k", f"mirror={url}", "samples=4", *PATCH]

    def run(self, folder: Path, seconds: float | None = None) -> float:
        """Run it to its end, or kill it after some seconds; return how long it took."""
        folder.mkdir(exist_ok=True)
        start = time.perf_counter()
        process = self.context.Process(target=_work, args=(self.arguments, str(folder)))
        process.start()
        process.join(seconds)
        if seconds is not None:
            process.kill()
            process.join()
        else:
            assert process.exitcode == 0
        return time.perf_counter() - start


def always_the_same(server: Server, folder: Path, kills: int) -> None:
    """Kill the command at random moments and look what the next one makes of it."""
    server.usual = slow(20, 0.01)
    victim = Victim(server.url)
    victim.run(folder / "warm")
    whole = victim.run(folder / "whole")
    expected = (folder / "whole" / "data" / "div2k" / "manifest.json").read_bytes()
    sheet = (folder / "whole" / "out" / "contact_sheet.png").read_bytes()
    moments = random.Random(0)
    stopped = 0
    for index in range(kills):
        home = folder / str(index)
        victim.run(home, moments.uniform(0.1, 1.0) * whole)
        stopped += not (home / "out" / "contact_sheet.png").exists()
        victim.run(home)
        assert (home / "data" / "div2k" / "manifest.json").read_bytes() == expected
        assert (home / "out" / "contact_sheet.png").read_bytes() == sheet
        assert sorted(path.name for path in (home / "data").iterdir()) == [".downloads", "div2k"]
        left = sorted(path.name for path in (home / "data" / ".downloads" / "div2k").iterdir())
        assert left == ["archives.json", "lock"]
        stores = (home / "cache" / "photographs").iterdir()
        assert all(Store(store) for store in stores if store.is_dir())  # none is half built
    assert stopped


def test_killed_three_times(server: Server, tmp_path: Path) -> None:
    always_the_same(server, tmp_path, 3)


@pytest.mark.slow
def test_killed_twenty_times(server: Server, tmp_path: Path) -> None:
    always_the_same(server, tmp_path, 20)
