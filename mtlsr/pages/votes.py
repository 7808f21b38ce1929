"""Pairs of pictures of two programs, shown without names, and what people said of them."""

import csv
import io
import os
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from mtlsr.data.images import find_images, read_image
from mtlsr.errors import UserError
from mtlsr.files import nearest

UInt8 = NDArray[np.uint8]

WINDOW = 560
"""Side of the part of large pictures that is shown, in pixels of the screen."""

STEP = 40
"""Distance of the places that are looked at for it."""

FIELDS = ("time", "session", "image", "left", "right", "better")


@dataclass(frozen=True)
class Pair:
    """The same picture by both programs."""

    name: str
    files: dict[str, Path]
    """`A` and `B` -> file."""
    left: str
    """Which of the two is shown on the left: A or B."""

    @property
    def right(self) -> str:
        """The other one."""
        return "B" if self.left == "A" else "A"

    def shown(self) -> tuple[UInt8, UInt8]:
        """What is shown on the left and on the right: the part in which they differ most.

        Raises:
            UserError: A file cannot be read, or the two are of different sizes.
        """
        left, right = (read_image(self.files[side]) for side in (self.left, self.right))
        if left.shape != right.shape:
            sizes = " and ".join(f"{x.shape[1]}x{x.shape[0]}" for x in (left, right))
            raise UserError(f"{self.name} is of {sizes} pixels in the two folders.")
        part = most_different(left, right)
        return left[part], right[part]


def pairs(a: Path, b: Path, seed: int) -> list[Pair]:
    """The pictures that both folders hold, in an order and on sides that follow from the seed.

    Raises:
        UserError: A folder is missing, holds no image or two of one name, or they have no name in
            common.
    """
    found = [_by_name(folder) for folder in (a, b)]
    names = sorted(found[0].keys() & found[1].keys())
    if not names:
        raise UserError(f"{a} and {b} have no image of the same name.")
    rng = np.random.default_rng(seed)
    order, sides = rng.permutation(len(names)), rng.permutation(len(names)) % 2
    return [
        Pair(names[i], {"A": found[0][names[i]], "B": found[1][names[i]]}, "AB"[sides[i]])
        for i in order
    ]


def _by_name(folder: Path) -> dict[str, Path]:
    """Name without its suffix -> image."""
    found: dict[str, Path] = {}
    for path in find_images(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if found.setdefault(name, path) != path:
            raise UserError(f"{found[name]} and {path} have the same name; which is to be shown?")
    return found


def most_different(left: UInt8, right: UInt8) -> tuple[slice, slice]:
    """The window of at most `WINDOW` pixels a side in which two pictures differ most."""
    difference = np.abs(left.astype(np.int32) - right).sum(axis=2)
    sums = np.pad(difference.astype(np.int64), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    height, width = (min(WINDOW, side) for side in difference.shape)
    rows = np.arange(0, difference.shape[0] - height + 1, STEP)
    columns = np.arange(0, difference.shape[1] - width + 1, STEP)
    below, beside = rows[:, None], columns[None]
    total = sums[below + height, beside + width] - sums[below, beside + width]
    total += sums[below, beside] - sums[below + height, beside]
    i, j = np.unravel_index(total.argmax(), total.shape)
    return slice(rows[i], rows[i] + height), slice(columns[j], columns[j] + width)


def check_votes(path: Path) -> None:
    """Refuse a file that votes cannot be written to, before anybody votes.

    Raises:
        UserError: It is a folder, or may not be written to.
    """
    place = nearest(path)
    if path.is_dir() or not os.access(place, os.W_OK) or (place != path and not place.is_dir()):
        raise UserError(f"votes is {str(path)!r}, which cannot be written; a CSV file is needed.")


def keep(path: Path, session: str, pair: Pair, better: str) -> None:
    """Append a vote to a CSV file, in one piece.

    Args:
        path: The file; it is made where it is missing.
        session: Of one person's visit.
        pair: What was shown.
        better: A, B or same.

    Raises:
        OSError: The disk is full, or the file may not be written to.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(file).st_size
        if size == 0:
            writer.writerow(FIELDS)
        else:
            os.lseek(file, size - 1, os.SEEK_SET)
            if os.read(file, 1) != b"\n":  # somebody was stopped in the middle of a line
                text.write("\n")
        writer.writerow((now, session, pair.name, pair.left, pair.right, better))
        os.write(file, text.getvalue().encode())
        os.fsync(file)
    finally:
        os.close(file)


def summary(votes: list[str]) -> str:
    """Votes (A, B or same) in a sentence, with the sign test's two-sided p."""
    counts = Counter(votes)
    said = f"Better: A {counts['A']}, B {counts['B']}, neither {counts['same']}."
    decided = counts["A"] + counts["B"]
    if not decided:
        return said
    p = binomtest(counts["A"], decided).pvalue
    return f"{said} If neither were better, a difference as large would come with p = {p:.2g}."
