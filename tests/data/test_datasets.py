import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mtlsr.data.catalogue import CARDS, NOT_STATED
from mtlsr.data.datasets import DATASETS, Dataset, Part, find_dataset, mix, take_fraction
from mtlsr.data.images import ImageError, write_image

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("MTLSR_SHARED", ROOT.parent / "shared"))
BENCHMARKS = ["Set5", "Set14", "B100", "Urban100", "Manga109", "Kodak24"]
PREPARED = ["div2k", "flickr2k", "df2k", "bsds400", "set5", "set14", "b100", "urban100", "kodak24"]


@pytest.fixture(autouse=True)
def data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of prepared data sets: an empty one, whatever this machine holds."""
    monkeypatch.setenv("MTLSR_DATA", str(tmp_path / "prepared"))
    return tmp_path / "prepared"


def fill(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        write_image(folder / f"{i}.png", np.full((16, 16, 3), i, np.uint8))
    return folder


def touch(folder: Path, *names: str) -> Path:
    """Files that are only listed, never decoded."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def stems(files: list[Path]) -> list[str]:
    return [path.stem for path in files]


def listed(name: str, count: int) -> Dataset:
    """A data set of files that need not exist."""
    return Dataset(name, [Path(f"/{name}/{i}.png") for i in range(count)], [], [], "", "")


def test_photos_need_no_root_and_no_download() -> None:
    photos = find_dataset("photos")
    assert (len(photos.train), len(photos.val), len(photos.test)) == (12, 1, 2)
    assert "CC BY 2.0" in photos.licence
    assert [pair.name for pair in photos.evaluation("test", 4)] == ["coffee", "chelsea"]


def test_folder_holds_out_the_same_names_wherever_it_lies(tmp_path: Path) -> None:
    here = find_dataset("folder", fill(tmp_path / "a", 12))
    there = find_dataset("folder", fill(tmp_path / "b", 14))
    assert len(here.val) == 3
    assert len(here.train) == 9
    assert not set(here.train) & set(here.val)
    names = {path.name for path in here.val}
    kept = {path.name for path in there.val} - {"12.png", "13.png"}
    assert kept <= names  # two more files can take places, but never move the others around


def test_folder_with_validation_images_of_its_own(tmp_path: Path) -> None:
    root = fill(tmp_path / "train", 4)
    val = fill(tmp_path / "val", 2)
    data = find_dataset("folder", root, val_root=val)
    assert (len(data.train), len(data.val)) == (4, 2)
    inside = find_dataset("folder", tmp_path, val_root=val)
    assert (len(inside.train), len(inside.val)) == (4, 2)


def test_folder_refusals(tmp_path: Path) -> None:
    root = fill(tmp_path / "a", 3)
    with pytest.raises(ValueError, match="is left to train on: 3 are held out"):
        find_dataset("folder", root)
    with pytest.raises(ValueError, match="holdout is -1"):
        find_dataset("folder", root, holdout=-1)
    assert len(find_dataset("folder", root, holdout=0).train) == 3


@pytest.mark.parametrize("folder", BENCHMARKS)
def test_benchmarks_are_for_testing_only(tmp_path: Path, folder: str) -> None:
    name = folder.lower()
    fill(tmp_path / folder / "HR", 2)
    below, above = find_dataset(name, tmp_path / folder), find_dataset(name, tmp_path)
    assert below.test == above.test
    assert (below.train, below.val, len(below.test)) == ([], [], 2)
    assert below.evaluation("test", 4)[1].lr.shape == (4, 4, 3)
    fill(tmp_path / folder / "LR_x8", 2)
    assert below.evaluation("test", 4).lr_files is None
    assert below.evaluation("test", 8).lr_files is not None
    with pytest.raises(ValueError, match=f"{name} has no val images"):
        below.evaluation("val", 4)


@pytest.mark.parametrize("folder", ["B100", "b100", "BSD100", "bsds100"])
def test_a_benchmark_is_found_by_its_usual_names_in_any_case(tmp_path: Path, folder: str) -> None:
    fill(tmp_path / folder / "HR", 2)
    fill(tmp_path / "Set5" / "HR", 1)
    assert len(find_dataset("b100", tmp_path).test) == 2


def test_unknown_names_and_missing_roots() -> None:
    with pytest.raises(ValueError, match=r"no data set 'set6'; there are photos, folder, set5"):
        find_dataset("set6")
    for name in DATASETS.keys() - {"photos"}:
        with pytest.raises(ValueError, match=f"{name} needs root") as caught:
            find_dataset(name)
        assert "dataset.root=<folder>" in str(caught.value)
        assert "\n" not in str(caught.value)
        fetched = f"python -m mtlsr.prepare dataset={name} fetches" in str(caught.value)
        assert fetched is (name in PREPARED)
    with pytest.raises(ValueError, match="split is 'train'"):
        find_dataset("photos").evaluation("train", 4)  # type: ignore[arg-type]


def test_every_name_has_a_licence_and_a_citation(tmp_path: Path) -> None:
    own = {"photos", "folder", "pairs"}
    assert DATASETS.keys() == CARDS.keys() | own
    assert all(card.licence and card.citation for card in CARDS.values())
    touch(tmp_path / "x", "1.png", "2.png")
    bsds = find_dataset("bsds400", tmp_path / "x", holdout=1)
    assert "non-commercial" in bsds.licence
    assert "Arbeláez" in bsds.citation
    assert find_dataset("cid22", tmp_path / "x", holdout=1).licence == "CC BY-SA 4.0"
    assert find_dataset("t91", tmp_path / "x", holdout=1).licence == NOT_STATED


def test_prepared_data_need_no_root(data_folder: Path) -> None:
    touch(data_folder / "t91", "t1.png", "t2.png")
    assert stems(find_dataset("t91", holdout=0).train) == ["t1", "t2"]
    touch(data_folder / "set5" / "HR", "baby.png")
    assert stems(find_dataset("set5").test) == ["baby"]
    touch(data_folder / "folder", "1.png")
    with pytest.raises(ValueError, match="folder needs root"):  # it has no name in the world
        find_dataset("folder", holdout=0)


@pytest.mark.parametrize("below", ["", "DIV2K"])
def test_div2k_validates_on_801_to_900_however_it_lies(tmp_path: Path, below: str) -> None:
    train = touch(tmp_path / "a" / below / "DIV2K_train_HR", "0001.png", "0800.png")
    touch(train.parent / "DIV2K_valid_HR", "0801.png", "0900.png")
    touch(train.parent / "DIV2K_train_LR_bicubic" / "X4", "0001x4.png")
    flat = touch(tmp_path / "b", "0001.png", "0800.png", "0801.png", "0900.png")
    for root in (tmp_path / "a", flat):
        data = find_dataset("div2k", root)
        assert stems(data.train) == ["0001", "0800"]
        assert stems(data.val) == ["0801", "0900"]
    pieces = find_dataset("div2k", touch(tmp_path / "c", "0001_s001.png", "0801_s001.png"))
    assert (stems(pieces.train), stems(pieces.val)) == (["0001_s001"], ["0801_s001"])


@pytest.mark.parametrize("name", ["0000.png", "0901.png", "0001x4.png", "photo.png"])
def test_what_is_not_div2k_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} is no high-resolution file of DIV2K"):
        find_dataset("div2k", touch(tmp_path / "x", "0001.png", name))


@pytest.mark.parametrize("below", ["", "Flickr2K"])
def test_flickr2k_takes_high_resolution_alone(tmp_path: Path, below: str) -> None:
    touch(tmp_path / below / "Flickr2K_HR", "000001.png", "000002.png")
    touch(tmp_path / below / "Flickr2K_LR_bicubic" / "X4", "000001x4.png")
    assert stems(find_dataset("flickr2k", tmp_path, holdout=0).train) == ["000001", "000002"]


def test_df2k_is_both(tmp_path: Path, data_folder: Path) -> None:
    touch(tmp_path / "DIV2K_train_HR", "0001.png")
    touch(tmp_path / "DIV2K_valid_HR", "0801.png")
    with pytest.raises(ValueError, match="holds no Flickr2K: DF2K is"):
        find_dataset("df2k", tmp_path)  # DIV2K's own images are not taken for Flickr2K's
    with pytest.raises(ValueError, match="holds no DIV2K: DF2K is"):
        find_dataset("df2k", tmp_path / "DIV2K_valid_HR")
    touch(tmp_path / "Flickr2K" / "Flickr2K_HR", "000001.png")
    given = find_dataset("df2k", tmp_path)
    assert (stems(given.train), stems(given.val)) == (["0001", "000001"], ["0801"])
    assert "academic research" in given.licence
    assert "Flickr licence" in given.licence
    shutil.copytree(tmp_path / "DIV2K_train_HR", data_folder / "div2k" / "DIV2K_train_HR")
    with pytest.raises(ValueError, match=r"df2k needs root.*prepare dataset=df2k"):
        find_dataset("df2k")
    shutil.copytree(tmp_path / "Flickr2K", data_folder / "flickr2k" / "Flickr2K")
    assert stems(find_dataset("df2k", holdout=0).train) == ["0001", "000001"]


@pytest.mark.parametrize("below", ["", "images", "BSR/BSDS500/data/images"])
def test_bsds400_never_takes_b100_nor_the_image_of_set5(tmp_path: Path, below: str) -> None:
    touch(tmp_path / "a" / below / "train", "22.jpg", "302003.jpg")
    touch(tmp_path / "a" / below / "test", "3.jpg")
    touch(tmp_path / "a" / below / "val", "101085.jpg")
    flat = touch(tmp_path / "b", "22.jpg", "302003.jpg", "3.jpg")
    for root in (tmp_path / "a", flat):  # in one order, so that runs on both are the same
        assert stems(find_dataset("bsds400", root, holdout=0).train) == ["3", "22"]


def test_train_and_val_folders_are_kept_apart(tmp_path: Path) -> None:
    touch(tmp_path / "train", "1.png")
    touch(tmp_path / "valid", "2.png")
    touch(tmp_path / "test", "3.png")
    clic = find_dataset("clic2025", tmp_path)
    assert (stems(clic.train), stems(clic.val)) == (["1"], ["2"])
    touch(tmp_path / "cid" / "original", "1.png")
    touch(tmp_path / "cid" / "compressed", "1_q30.png")
    assert stems(find_dataset("cid22", tmp_path / "cid", holdout=0).train) == ["1"]


@pytest.mark.skipif(not (SHARED / "data" / "train").is_dir(), reason=f"no photographs at {SHARED}")
@pytest.mark.parametrize(
    ("name", "count"), [("t91", 91), ("bsds400", 399), ("cid22", 209), ("clic2025", 41)]
)
def test_real_folders(name: str, count: int) -> None:
    data = find_dataset(name, SHARED / "data" / "train" / name, holdout=0)
    assert (len(data.train), len(data.val)) == (count, 0)
    if name == "cid22":
        val = find_dataset(name, SHARED / "data/train/cid22", val_root=SHARED / "data/val/cid22")
        assert (len(val.train), len(val.val)) == (209, 40)


# --- fractions ---


def test_fractions_are_nested_and_exact() -> None:
    data = listed("a", 100)
    previous: set[Path] = set()
    for fraction in (0.001, 0.01, 0.05, 0.07, 0.25, 0.29, 0.5, 0.99, 1.0):
        kept = take_fraction(data, fraction).train
        assert len(kept) == max(1, round(100 * fraction))
        assert previous <= set(kept)
        assert kept == [path for path in data.train if path in set(kept)]
        previous = set(kept)
    assert previous == set(data.train)


def test_a_fraction_follows_seed_and_names_alone() -> None:
    data = listed("a", 200)
    first = take_fraction(data, 0.1, seed=0).train
    moved = listed("elsewhere", 200)
    assert stems(take_fraction(moved, 0.1, seed=0).train) == stems(first)
    assert stems(first) != stems(take_fraction(data, 0.1, seed=1).train)
    # 20 of 200 at random: the two seeds share about 2.
    assert len(set(first) & set(take_fraction(data, 0.1, seed=1).train)) < 10


def test_equal_names_in_several_folders_are_told_apart() -> None:
    files = [Path(f"/x/scene{i}/{name}.png") for i in range(50) for name in ("1", "2")]
    half = take_fraction(Dataset("x", files, [], [], "", ""), 0.5).train
    both = {path.parent for path in half if path.stem == "1"} & {
        path.parent for path in half if path.stem == "2"
    }
    assert 0 < len(both) < 25  # neither always together nor one name alone
    assert 5 < sum(path.stem == "1" for path in half) < 45


def test_validation_stays_whole(tmp_path: Path) -> None:
    root = fill(tmp_path / "a", 20)
    whole, part = find_dataset("folder", root), find_dataset("folder", root, fraction=0.1)
    assert part.val == whole.val
    assert len(part.train) == 2
    assert set(part.train) < set(whole.train)


@pytest.mark.parametrize("fraction", [0, -0.5, 1.01, float("nan")])
def test_fractions_out_of_range_are_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"fraction is .* above 0 and at most 1"):
        take_fraction(listed("a", 3), fraction)


# --- mixtures ---


def test_a_mixture_keeps_its_parts_apart() -> None:
    photos = find_dataset("photos")
    mixed = mix([(photos, 1), (listed("b", 30), 2.5)])
    assert mixed.train == [*photos.train, *listed("b", 30).train]
    assert mixed.parts == (Part(12, 1.0), Part(30, 2.5))
    assert (mixed.val, mixed.test) == (photos.val, photos.test)
    assert "photos: " in mixed.licence
    assert "b: " in mixed.citation
    few = take_fraction(mixed, 0.1)
    assert few.parts == (Part(2, 1.0), Part(3, 2.5))  # a share of each
    assert few.train == [*take_fraction(photos, 0.1).train, *take_fraction(mixed, 0.1).train[2:]]
    assert set(few.train[2:]) < set(take_fraction(mixed, 0.5).train)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_weights_out_of_range_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"The weight of a is .* above 0"):
        mix([(listed("a", 2), weight)])


def test_mixtures_of_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs parts"):
        mix([])
    touch(tmp_path / "HR", "1.png")
    with pytest.raises(ValueError, match="set5 has no photographs to train on"):
        mix([(find_dataset("set5", tmp_path), 1)])


def test_no_part_trains_on_what_another_holds_out(tmp_path: Path) -> None:
    root = fill(tmp_path / "a", 6)
    some, all_ = find_dataset("folder", root, holdout=2), find_dataset("folder", root, holdout=0)
    with pytest.raises(ValueError, match=r"trains on .*, and another holds it out"):
        mix([(some, 1), (all_, 1)])
    assert len(mix([(some, 1), (some, 1)]).train) == 8


# --- real pairs ---


def pairs(root: Path, scale: int = 4, count: int = 5, lr: str = "LR") -> Path:
    rng = np.random.default_rng(0)
    for folder in ("HR", lr):
        (root / folder).mkdir(parents=True)
    for i in range(count):
        low = rng.integers(0, 256, (6 + i, 7, 3), dtype=np.uint8)
        write_image(root / lr / f"{i}.png", low)
        write_image(root / "HR" / f"{i}.png", low.repeat(scale, 0).repeat(scale, 1))
    return root


def test_pairs_give_their_own_low_resolution(tmp_path: Path) -> None:
    data = find_dataset("pairs", pairs(tmp_path / "a"), holdout=2)
    assert (len(data.train), len(data.val)) == (3, 2)
    for pair in data.evaluation("val", 4):
        np.testing.assert_array_equal(pair.hr[::4, ::4], pair.lr)  # bicubic would be smoother
    given = data.given_lr(data.train, 4)
    assert given == [tmp_path / "a" / "LR" / path.name for path in data.train]
    outside = find_dataset("pairs", tmp_path / "a", val_root=pairs(tmp_path / "b", lr="LR_x4"))
    assert (len(outside.train), len(outside.val)) == (5, 5)
    assert outside.evaluation("val", 4).lr_files[0] == tmp_path / "b" / "LR_x4" / "0.png"


def test_pairs_in_a_mixture(tmp_path: Path) -> None:
    real = find_dataset("pairs", pairs(tmp_path / "a"), holdout=1)
    mixed = mix([(find_dataset("photos"), 1), (real, 1)])
    given = mixed.given_lr(mixed.train, 4)
    assert [path is None for path in given] == [True] * 12 + [False] * 4
    assert mixed.evaluation("test", 4).lr_files is None
    made, shot = mixed.evaluation("val", 4).lr_files
    assert (made, shot) == (None, tmp_path / "a" / "LR" / real.val[0].name)
    assert listed("b", 2).given_lr(listed("b", 2).train, 4) is None


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: shutil.rmtree(root / "HR"), "HR does not exist"),
        (lambda root: shutil.rmtree(root / "LR"), "has neither LR_x4 nor LR beside HR"),
        (lambda root: (root / "LR" / "0.png").unlink(), r"HR/0\.png has no low-resolution file"),
        (lambda root: (root / "HR" / "0.png").unlink(), r"LR/0\.png has no high-resolution file"),
    ],
)
def test_pairs_without_partner_are_refused(
    tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    root = pairs(tmp_path / "a")
    spoil(root)
    with pytest.raises(ValueError, match=said):
        find_dataset("pairs", root, holdout=2).evaluation("val", 4)


def test_pairs_of_another_scale_are_refused_with_both_sizes(tmp_path: Path) -> None:
    data = find_dataset("pairs", pairs(tmp_path / "a", scale=2), holdout=2)
    assert len(data.evaluation("val", 2)) == 2
    said = r"LR/\d\.png: it has \d+x7 pixels, and its .* image \d+x14, which is not 4 times"
    with pytest.raises(ImageError, match=said):
        data.evaluation("val", 4)
