import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.data import bundled
from mtlsr.data.images import ImageError, read_image, write_image
from mtlsr.data.resize import bicubic_downscale, crop_to_multiple
from mtlsr.data.store import Store


def photographs(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    shapes = {"b.png": (41, 50, 3), "a.png": (33, 30), "c.bmp": (24, 24, 3)}
    folder.mkdir(exist_ok=True)
    for name, shape in shapes.items():
        write_image(folder / name, rng.integers(0, 256, shape, dtype=np.uint8))
    return [folder / name for name in shapes]


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    return photographs(tmp_path / "photos")


@pytest.fixture
def store(sources: list[Path], tmp_path: Path) -> Store:
    return Store.open(sources, 4, tmp_path / "cache")


def test_holds_photographs_and_their_exact_bicubic(store: Store) -> None:
    assert len(store) == 3
    assert store.names == ["b.png", "a.png", "c.bmp"]
    assert store.lr_sizes == [(10, 12), (8, 7), (6, 6)]
    for i, (height, width) in enumerate(store.lr_sizes):
        assert store.hr(i).shape == (4 * height, 4 * width, 3)
        np.testing.assert_array_equal(store.lr(i), bicubic_downscale(store.hr(i), 4))
    assert (store.hr(1) == store.hr(1)[..., :1]).all()  # grey, expanded


def test_shrunk_photographs_follow_their_own(sources: list[Path], tmp_path: Path) -> None:
    store = Store.open(sources, 4, tmp_path / "cache", shrunk=[0.5, 0.12])
    # 41x50, 33x30 and 24x24: the last is too small for the second share
    assert store.names == [
        "b.png", "b.png at 0.5", "b.png at 0.12", "a.png", "a.png at 0.5", "a.png at 0.12",
        "c.bmp", "c.bmp at 0.5",
    ]  # fmt: skip
    assert store.photographs == [0, 0, 0, 1, 1, 1, 2, 2]
    assert store.lr_sizes == [(10, 12), (5, 6), (1, 1), (8, 7), (4, 3), (1, 1), (6, 6), (3, 3)]
    for i in range(len(store)):
        np.testing.assert_array_equal(store.lr(i), bicubic_downscale(store.hr(i), 4))
    alone = Store.open(sources, 4, tmp_path / "cache")
    assert alone.photographs == [0, 1, 2]
    assert alone.fingerprint != store.fingerprint
    np.testing.assert_array_equal(alone.hr(1), store.hr(3))


def test_a_shrunk_photograph_is_the_bicubic_of_pillow(tmp_path: Path) -> None:
    photograph = bundled.TRAIN[0].path
    store = Store.open([photograph], 2, tmp_path, shrunk=[0.5])
    whole = read_image(photograph)
    size = (round(whole.shape[1] * 0.5), round(whole.shape[0] * 0.5))
    small = np.asarray(Image.fromarray(whole).resize(size, Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(store.hr(1), crop_to_multiple(small, 2))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_shares_are_between_0_and_1(sources: list[Path], tmp_path: Path, share: float) -> None:
    with pytest.raises(ValueError, match=f"shrunk holds {share}: .* above 0 and below 1"):
        Store.open(sources, 4, tmp_path / "cache", shrunk=[0.5, share])
    assert not (tmp_path / "cache").exists()


def test_given_low_resolution_cannot_be_shrunk(sources: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="low resolution is given"):
        Store.open(sources, 1, tmp_path, lr_sources=[sources[0], None, None], shrunk=[0.5])


def test_views_are_read_only(store: Store) -> None:
    with pytest.raises(ValueError, match="read-only"):
        store.hr(0)[0] = 0


def test_second_opening_decodes_nothing(
    store: Store, sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mtlsr.data.store.read_image", None)
    again = Store.open(sources, 4, tmp_path / "cache")
    assert again.folder == store.folder
    assert again.fingerprint == store.fingerprint


def test_fingerprint_follows_content_not_place(store: Store, tmp_path: Path) -> None:
    elsewhere = Store.open(photographs(tmp_path / "copy"), 4, tmp_path / "cache")
    assert elsewhere.folder != store.folder
    assert elsewhere.fingerprint == store.fingerprint
    write_image(tmp_path / "copy" / "c.bmp", np.zeros((24, 24, 3), np.uint8))
    files = [tmp_path / "copy" / name for name in store.names]
    assert Store.open(files, 4, tmp_path / "cache").fingerprint != store.fingerprint
    assert Store.open(files, 2, tmp_path / "cache").fingerprint != store.fingerprint


def test_a_changed_file_is_noticed(store: Store, sources: list[Path], tmp_path: Path) -> None:
    state = sources[0].stat()
    os.utime(sources[0], ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert Store.open(sources, 4, tmp_path / "cache").folder != store.folder


def test_pickles_as_its_folder(store: Store) -> None:
    pickled = pickle.dumps(store)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled).hr(2), store.hr(2))


def _open(sources: list[Path], cache: Path, barrier, results) -> None:
    barrier.wait()
    results.put(Store.open(sources, 4, cache).fingerprint)


def test_two_processes_build_one_store(sources: list[Path], tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(2), context.Queue()
    cache = tmp_path / "shared"
    processes = [
        context.Process(target=_open, args=(sources, cache, barrier, results)) for _ in range(2)
    ]
    for process in processes:
        process.start()
    fingerprints = {results.get(timeout=30) for _ in processes}
    for process in processes:
        process.join()
    assert fingerprints == {Store.open(sources, 4, tmp_path / "cache").fingerprint}
    assert len(list(cache.iterdir())) == 1


def test_losing_the_race_uses_the_winners_store(
    sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mtlsr.data import store as module

    build = module._build

    def slow(folder: Path, *content) -> None:
        monkeypatch.setattr(module, "_build", build)
        Store.open(sources, 4, tmp_path / "cache")
        build(folder, *content)

    monkeypatch.setattr(module, "_build", slow)
    assert len(Store.open(sources, 4, tmp_path / "cache")) == 3
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_broken_file_is_named_and_leaves_nothing(sources: list[Path], tmp_path: Path) -> None:
    sources[1].write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"a\.png: this is not an image"):
        Store.open(sources, 4, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_refusals(sources: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Store.open([], 4, tmp_path)
    with pytest.raises(ImageError, match=r"none\.png: the file does not exist"):
        Store.open([tmp_path / "none.png"], 4, tmp_path)
    with pytest.raises(ValueError, match="scale is 17"):
        Store.open(sources, 17, tmp_path / "cache")
    write_image(tmp_path / "tiny.png", np.zeros((3, 9, 3), np.uint8))
    with pytest.raises(ImageError, match=r"tiny\.png: its 3x9 pixels are too few for scale 4"):
        Store.open([tmp_path / "tiny.png"], 4, tmp_path / "cache")


def test_damage_is_noticed(store: Store) -> None:
    (store.folder / "hr.bin").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"damaged: hr\.bin has 5 bytes"):
        Store(store.folder)
    with pytest.raises(ValueError, match="no readable store"):
        Store(store.folder.parent)


def test_given_low_resolution_is_kept_as_it_is(sources: list[Path], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    write_image(sources[0], rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    given = tmp_path / "lr.png"
    write_image(given, rng.integers(0, 256, (10, 12), dtype=np.uint8))
    plain = Store.open(sources, 4, tmp_path / "cache")
    store = Store.open(sources, 4, tmp_path / "cache", [given, None, None])
    assert (store.lr(0) == store.lr(0)[..., :1]).all()  # grey, expanded
    assert not np.array_equal(store.lr(0), plain.lr(0))
    for i in range(3):
        np.testing.assert_array_equal(store.hr(i), plain.hr(i))
        assert store.lr(i).shape == plain.lr(i).shape
        if i:
            np.testing.assert_array_equal(store.lr(i), plain.lr(i))
    assert store.fingerprint != plain.fingerprint
    assert Store.open(sources, 4, tmp_path / "cache", [None] * 3).folder == plain.folder
    write_image(given, rng.integers(0, 256, (10, 12, 3), dtype=np.uint8))
    changed = Store.open(sources, 4, tmp_path / "cache", [given, None, None])
    assert changed.fingerprint not in (store.fingerprint, plain.fingerprint)


def test_given_low_resolution_of_another_size_is_refused(
    sources: list[Path], tmp_path: Path
) -> None:
    given = [tmp_path / f"{i}.png" for i in range(3)]
    for path in given:
        write_image(path, np.zeros((6, 6, 3), np.uint8))
    said = r"0\.png: it has 6x6 pixels, and its high-resolution image 41x50, which is not 4 times"
    with pytest.raises(ImageError, match=said):
        Store.open(sources, 4, tmp_path / "cache", given)
    assert not list((tmp_path / "cache").iterdir())
    assert len(Store.open(sources[2:], 4, tmp_path / "cache", given[2:])) == 1
    with pytest.raises(ValueError, match="3 photographs and 2 low-resolution files"):
        Store.open(sources, 4, tmp_path / "cache", given[:2])
    with pytest.raises(ImageError, match=r"none\.png: the file does not exist"):
        Store.open(sources, 4, tmp_path / "cache", [None, None, tmp_path / "none.png"])


def test_photographs_without_high_resolution_are_stored_once(
    sources: list[Path], tmp_path: Path
) -> None:
    store = Store.open(sources, 1, tmp_path / "cache")
    assert store.lr_sizes == [(41, 50), (33, 30), (24, 24)]
    np.testing.assert_array_equal(store.lr(0), read_image(sources[0]))
    np.testing.assert_array_equal(store.hr(2), store.lr(2))
    stored = sum(path.stat().st_size for path in store.folder.glob("*.bin"))
    assert stored == 3 * (41 * 50 + 33 * 30 + 24 * 24)
