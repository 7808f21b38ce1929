from pathlib import Path

import numpy as np
import pytest

from mtlsr.data.datasets import DATASETS, find_dataset
from mtlsr.data.images import write_image


def fill(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        write_image(folder / f"{i}.png", np.full((16, 16, 3), i, np.uint8))
    return folder


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


@pytest.mark.parametrize("name", ["set5", "set14", "b100"])
def test_benchmarks_are_for_testing_only(tmp_path: Path, name: str) -> None:
    folder = name.capitalize()  # Set5, Set14, B100
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


def test_unknown_names_and_missing_roots() -> None:
    with pytest.raises(ValueError, match=r"no data set 'set6'; there are photos, folder, set5"):
        find_dataset("set6")
    for name in DATASETS.keys() - {"photos"}:
        with pytest.raises(ValueError, match=f"{name} needs root"):
            find_dataset(name)
    with pytest.raises(ValueError, match="split is 'train'"):
        find_dataset("photos").evaluation("train", 4)  # type: ignore[arg-type]
