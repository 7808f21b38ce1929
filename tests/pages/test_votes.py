import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mtlsr.errors import UserError
from mtlsr.pages.votes import (
    FIELDS,
    STEP,
    WINDOW,
    Pair,
    check_votes,
    keep,
    most_different,
    pairs,
    summary,
)

RNG = np.random.default_rng(0)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve pictures by two programs, darker ones by A, and one that only A has."""
    for folder, level in (("a", 40), ("b", 200)):
        for number in range(12):
            path = (
                tmp_path / folder / f"s{number % 2}" / f"{number}.{'png' if level < 99 else 'bmp'}"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 6), (level, number, 0)).save(path)
    Image.new("RGB", (8, 6)).save(tmp_path / "a/alone.png")
    return tmp_path / "a", tmp_path / "b"


def test_pictures_of_one_name_are_paired_in_an_order_of_the_seed(
    folders: tuple[Path, Path],
) -> None:
    found = pairs(*folders, seed=0)
    assert sorted(pair.name for pair in found) == sorted(f"s{n % 2}/{n}" for n in range(12))
    assert found == pairs(*folders, seed=0)
    assert [pair.name for pair in found] != [pair.name for pair in pairs(*folders, seed=1)]
    assert [pair.left for pair in found].count("A") == 6
    for pair in found:
        left, right = pair.shown()
        assert left[0, 0].tolist() == [40 if pair.left == "A" else 200, int(pair.name[3:]), 0]
        assert right[0, 0, 0] == (200 if pair.left == "A" else 40)
        assert {pair.left, pair.right} == {"A", "B"}


def test_large_pictures_are_shown_where_they_differ_most() -> None:
    left = RNG.integers(0, 256, (3 * WINDOW, 2 * WINDOW, 3), dtype=np.uint8)
    right = left.copy()
    right[WINDOW + 3 * STEP : WINDOW + 3 * STEP + 99, 40:90] ^= 255
    rows, columns = most_different(left, right)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (WINDOW, WINDOW)
    assert rows.start <= WINDOW + 3 * STEP
    assert rows.stop >= WINDOW + 3 * STEP + 99
    assert columns.start <= 40
    small = left[:50, :70]
    assert most_different(small, 255 - small) == (slice(0, 50), slice(0, 70))


def test_votes_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "new/votes.csv"
    pair = Pair('a, "b"', {}, "B")
    keep(path, "s1", pair, "A")
    keep(path, "s2", pair, "same")
    with path.open("rb+") as file:
        file.seek(-2, 2)
        file.truncate()  # somebody was stopped in the middle of a line
    keep(path, "s3", pair, "B")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == FIELDS
    assert [row["session"] for row in rows] == ["s1", "s2", "s3"]
    assert [row["better"] for row in rows] == ["A", "sam", "B"]
    assert {(row["image"], row["left"], row["right"]) for row in rows} == {('a, "b"', "B", "A")}


def test_a_place_for_votes_is_looked_at_first(tmp_path: Path) -> None:
    check_votes(tmp_path / "new/deeper/votes.csv")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "votes.csv").touch()
    check_votes(tmp_path / "votes.csv")
    for wrong in (tmp_path, tmp_path / "votes.csv" / "votes.csv"):
        with pytest.raises(UserError, match="which cannot be written; a CSV file is needed"):
            check_votes(wrong)


def test_summary() -> None:
    said = summary(["A"] * 9 + ["B"] + ["same"] * 3)
    assert said.startswith("Better: A 9, B 1, neither 3.")
    assert said.endswith("p = 0.021.")  # 2 (1 + 10) / 2^10
    assert "p =" not in summary(["same"])


def test_refusals(folders: tuple[Path, Path], tmp_path: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "a/alone.bmp")
    with pytest.raises(UserError, match=r"alone.bmp and .*alone.png have the same name; which"):
        pairs(*folders, 0)
    (tmp_path / "a/alone.bmp").unlink()
    (tmp_path / "c").mkdir()
    with pytest.raises(ValueError, match="holds no image"):
        pairs(folders[0], tmp_path / "c", 0)
    Image.new("RGB", (9, 6)).save(tmp_path / "c/other.png")
    with pytest.raises(UserError, match="have no image of the same name"):
        pairs(folders[0], tmp_path / "c", 0)
    Image.new("RGB", (9, 6)).save(tmp_path / "c/alone.png")
    (pair,) = pairs(folders[0], tmp_path / "c", 0)
    with pytest.raises(UserError, match=r"alone is of (8x6 and 9x6|9x6 and 8x6) pixels"):
        pair.shown()
