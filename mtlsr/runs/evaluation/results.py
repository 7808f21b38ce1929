"""Figures of several methods on several data sets, under one protocol."""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtlsr.metrics.protocol import Protocol, check_comparable
from mtlsr.metrics.table import Measure
from mtlsr.runs.files import replacing, write_json
from mtlsr.runs.schema import ConfigError

RESULTS = "results.json"
PER_IMAGE = "per_image.csv"
KEYS = ("dataset", "image", "method")

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
        """The notes, and which images were identical to HR."""
        decibels = [each.name for each in self.measures if each.unit == "dB"]
        found = list(self.notes)
        for (dataset, method), rows in self._groups().items():
            if count := sum(any(math.isinf(row[name]) for name in decibels) for row in rows):
                found.append(
                    f"{method} equals HR in {count} of {len(rows)} images of {dataset}: an "
                    f"infinite PSNR, which counts as {self.protocol.ceiling:g} dB in the mean."
                )
        return found

    def write(self, folder: Path) -> None:
        """Write results.json and per_image.csv."""
        values: dict[str, Any] = {"protocol": self.protocol.hash, "datasets": self.datasets}
        write_json(
            folder / RESULTS, values | ({"settings": self.settings} if self.settings else {})
        )
        with replacing(folder / PER_IMAGE) as file:
            writer = csv.DictWriter(file, [*KEYS, *(each.name for each in self.measures)])
            writer.writeheader()
            writer.writerows(self.images)

    def beside(self, folder: Path) -> "Results":
        """These results and those that an earlier evaluation left in `folder`, as one.

        A method of a name that is taken is told apart by the folder's; bicubic stays as it is.

        Raises:
            ConfigError: See `read`; or the images are others.
        """
        rows, settings = read(folder, self.protocol, self.measures)
        place = {_place(row): index for index, row in enumerate(self.images)}
        others = {_place(row)[0] for row in rows if _place(row) not in place}
        others |= {dataset for dataset, _ in place.keys() - {_place(row) for row in rows}}
        if others:
            raise ConfigError(
                f"beside={folder} was measured on other images of {', '.join(sorted(others))}: "
                "means over different images are not ranked together."
            )
        taken = {row["method"] for row in self.images}
        names = {
            method: f"{folder.name}/{method}" if method in taken else method
            for method in dict.fromkeys(row["method"] for row in rows)
        }
        added = [
            row | {"method": names[row["method"]]} for row in rows if row["method"] != "bicubic"
        ]
        both = sorted([*self.images, *added], key=lambda row: place[_place(row)])
        notes = (f"{folder.name} was measured with {_listed(settings)}.",) if settings else ()
        return replace(self, images=both, notes=self.notes + notes)

    def _groups(self) -> dict[tuple[str, str], list[Row]]:
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in self.images:
            groups.setdefault((row["dataset"], row["method"]), []).append(row)
        return groups

    def _mean(self, measure: Measure, rows: Sequence[Mapping[str, Any]]) -> float:
        values = (measure.for_mean(row[measure.name], self.protocol) for row in rows)
        return math.fsum(values) / len(rows)  # exactly rounded: the same in every order


def read(
    folder: Path, protocol: Protocol, measures: Sequence[Measure]
) -> tuple[list[Row], dict[str, Any]]:
    """The rows and settings that an earlier evaluation left, measured under `protocol`.

    Raises:
        ConfigError: The folder holds none, or they are of another protocol, or lack a measure.
    """
    try:
        stored = json.loads((folder / RESULTS).read_text())
        found, settings = stored["protocol"], stored.get("settings", {})
        with (folder / PER_IMAGE).open(newline="") as file:
            rows: list[Row] = list(csv.DictReader(file))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"beside is {str(folder)!r}, which holds no results: {RESULTS} and {PER_IMAGE}."
        ) from error
    check_comparable({"this evaluation": protocol, f"beside={folder}": found})
    names = [each.name for each in measures]
    if missing := [name for name in names if any(row.get(name) is None for row in rows)]:
        raise ConfigError(f"beside={folder} lacks {', '.join(missing)}.")
    kept = [
        {key: row[key] for key in KEYS} | {name: float(row[name]) for name in names} for row in rows
    ]
    return kept, settings


def _place(row: Row) -> tuple[str, str]:
    return row["dataset"], row["image"]


def _listed(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items())
