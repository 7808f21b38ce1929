"""Figures of several methods on several data sets, under one protocol."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtlsr.files import write_csv, write_json
from mtlsr.metrics.protocol import Protocol, check_comparable
from mtlsr.metrics.table import Measure
from mtlsr.runs.pairwise.checks import check_inputs
from mtlsr.runs.recorded import KEYS, PER_IMAGE, RESULTS, Recorded, infinities, read
from mtlsr.runs.schema import ConfigError

Row = dict[str, Any]
"""One image and method: `KEYS`, and each measure by its name."""


@dataclass(frozen=True)
class Results:
    """What was measured."""

    protocol: Protocol
    measures: tuple[Measure, ...]
    images: list[Row]
    settings: dict[str, Any] = field(default_factory=dict)
    """How the networks computed, where it is not the usual way, by key of the configuration."""
    notes: tuple[str, ...] = ()
    """What else a reader has to know, a sentence each."""

    @property
    def datasets(self) -> dict[str, dict[str, dict[str, float]]]:
        """Data set -> method -> measure -> mean over images, with the number of `images`.

        Identical images have an infinite PSNR; in a mean it counts as at most the protocol's
        ceiling.
        """
        means: dict[str, dict[str, dict[str, float]]] = {}
        for (dataset, method), rows in self._groups().items():
            scores = {each.name: self._mean(each, rows) for each in self.measures}
            means.setdefault(dataset, {})[method] = {**scores, "images": len(rows)}
        return means

    def remarks(self) -> list[str]:
        """The notes, and in which images nothing differs."""
        found = list(self.notes)
        for (dataset, method), rows in self._groups().items():
            found += infinities(method, dataset, rows, self.measures, self.protocol.ceiling)
        return found

    def write(self, folder: Path) -> None:
        """Write results.json and per_image.csv."""
        values: dict[str, Any] = {"protocol": self.protocol.hash, "datasets": self.datasets}
        if Protocol.of_hash(self.protocol.hash) is None:  # a hash alone tells presets only
            values["protocol_values"] = self.protocol.describe()
        if self.settings:
            values["settings"] = self.settings
        write_json(folder / RESULTS, values)
        columns = [*KEYS, *(each.name for each in self.measures)]
        write_csv(folder / PER_IMAGE, self.images, columns)

    def beside(self, folder: Path) -> "Results":
        """These results and those that an earlier evaluation left in `folder`, as one.

        A method of a name that is taken is told apart by the folder's, with as many folders above
        as it takes; bicubic stays as it is.

        Raises:
            UserError: See `earlier`; or the images are others.
        """
        place = {_place(row): index for index, row in enumerate(self.images)}
        found = earlier(folder, self.protocol, self.measures, place)
        rows = list(_rows(found, self.measures))
        own = Recorded(folder, self.protocol, self._figures(), self.settings)
        for dataset in own.figures:
            check_inputs({"this evaluation": own, str(folder): found}, dataset, self.measures)
        taken = {row["method"] for row in self.images}
        names = {method: _free(method, folder, taken) for method in found.methods}
        added = [
            row | {"method": names[row["method"]]} for row in rows if row["method"] != "bicubic"
        ]
        both = sorted([*self.images, *added], key=lambda row: place[_place(row)])
        notes = [f"{folder.name} was measured with {found.unusual}."] if found.settings else []
        return replace(self, images=both, notes=(*self.notes, *notes))

    def _figures(self) -> dict[str, dict[str, dict[str, Row]]]:
        """Data set -> method -> image -> row."""
        found: dict[str, dict[str, dict[str, Row]]] = {}
        for row in self.images:
            own = found.setdefault(row["dataset"], {}).setdefault(row["method"], {})
            own[row["image"]] = row
        return found

    def _groups(self) -> dict[tuple[str, str], list[Row]]:
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in self.images:
            groups.setdefault((row["dataset"], row["method"]), []).append(row)
        return groups

    def _mean(self, measure: Measure, rows: Sequence[Mapping[str, Any]]) -> float:
        values = (measure.for_mean(row[measure.name], self.protocol) for row in rows)
        return math.fsum(values) / len(rows)  # exactly rounded: the same in every order


def earlier(
    folder: Path,
    protocol: Protocol,
    measures: Sequence[Measure],
    images: Collection[tuple[str, str]],
) -> Recorded:
    """What an earlier evaluation left in `folder`, measured under `protocol` on the same images.

    Args:
        folder: Its folder.
        protocol: That of this evaluation.
        measures: What it measures.
        images: On what: data set and image.

    Raises:
        UserError: The folder holds none, or they are of another protocol or other images, or lack a
            measure.
    """
    found = read(folder)
    check_comparable({"this evaluation": protocol, f"beside={folder}": found.protocol})
    have = found.measures
    if missing := [each.name for each in measures if each.name not in have]:
        raise ConfigError(f"beside={folder} lacks {', '.join(missing)}.")
    theirs = {_place(row) for row in _rows(found, measures)}
    if others := {dataset for dataset, _ in theirs ^ set(images)}:
        raise ConfigError(
            f"beside={folder} was measured on other images of {', '.join(sorted(others))}: means "
            "over different images are not ranked together."
        )
    return found


def _free(method: str, folder: Path, taken: Collection[str]) -> str:
    """A method's name beside others: its own, or with the last folders of where it comes from."""
    parts = folder.resolve().parts
    names = ["/".join([*parts[len(parts) - depth :], method]) for depth in range(len(parts) + 1)]
    for name in names:
        if name not in taken:
            return name
    raise ConfigError(f"beside names {folder} twice.")


def _rows(found: Recorded, measures: Sequence[Measure]) -> Iterator[Row]:
    for dataset, methods in found.figures.items():
        for method, images in methods.items():
            for image, scores in images.items():
                figures = {each.name: scores[each.name] for each in measures}
                yield {"dataset": dataset, "image": image, "method": method, **figures}


def _place(row: Row) -> tuple[str, str]:
    return row["dataset"], row["image"]
