"""What a training or an evaluation left in its folder, read back and checked."""

import csv
import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtlsr.data.interpolation import METHODS as KERNELS
from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.table import MEASURES, Measure
from mtlsr.runs.schema import ConfigError

RESULTS = "results.json"
PER_IMAGE = "per_image.csv"
KEYS = ("dataset", "image", "method")

Scores = dict[str, float]
"""Measure -> figure."""

Figures = dict[str, dict[str, dict[str, Scores]]]
"""Data set -> method -> image -> figures."""

Means = dict[tuple[str, str], Scores]
"""Data set and method -> means, and the number of `images`."""


@dataclass(frozen=True)
class Recorded:
    """The figures of every image."""

    folder: Path
    protocol: Protocol
    """What they were measured under."""
    figures: Figures
    settings: dict[str, Any]
    """How the networks computed, where it was not the usual way."""

    @property
    def unusual(self) -> str:
        """The settings in words."""
        return ", ".join(f"{key} {value}" for key, value in self.settings.items())

    @property
    def methods(self) -> list[str]:
        """Of all data sets, in the order of the file."""
        return list(dict.fromkeys(name for found in self.figures.values() for name in found))

    def own(self, dataset: str) -> dict[str, Scores]:
        """Image -> figures of the model of a run; empty where it was not measured."""
        methods = self.figures.get(dataset, {})
        return next((images for name, images in methods.items() if name not in KERNELS), {})

    @property
    def measures(self) -> set[str]:
        """Names of those that every image has a figure of."""
        methods = [images for found in self.figures.values() for images in found.values()]
        every = [set(scores) for images in methods for scores in images.values()]
        return set.intersection(*every) if every else set()


@dataclass(frozen=True)
class Entry:
    """A method of a folder."""

    folder: str
    """What the folder is called."""
    method: str
    results: Recorded

    @property
    def full_name(self) -> str:
        """Unlike that of any other."""
        return f"{self.folder}:{self.method}"

    @property
    def interpolates(self) -> bool:
        """Whether it is the same in every folder."""
        return self.method in KERNELS

    @property
    def datasets(self) -> list[str]:
        """What it was measured on."""
        figures = self.results.figures
        return [dataset for dataset, methods in figures.items() if self.method in methods]

    def images(self, dataset: str) -> dict[str, Scores]:
        """Image -> figures."""
        return self.results.figures[dataset][self.method]


def read(folder: Path) -> Recorded:
    """Read results.json and per_image.csv of a folder.

    Raises:
        ConfigError: One of them is not there or damaged, or they do not belong together.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder} does not exist; a folder with {RESULTS} is needed.")
    for name in (RESULTS, PER_IMAGE):
        if not (folder / name).is_file():
            raise ConfigError(
                f"{folder} holds no {name}: mtlsr.train and mtlsr.evaluate leave it in their "
                "folders."
            )
    try:
        stored = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        protocol, settings = _protocol(stored), dict(stored.get("settings", {}))
        means = {
            (dataset, method): {name: float(mean) for name, mean in scores.items()}
            for dataset, methods in stored["datasets"].items()
            for method, scores in methods.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"{folder / RESULTS} is damaged: {error!r}.") from error
    if protocol is None:
        raise ConfigError(
            f"{folder} was measured under protocol {stored['protocol']}, which is not of this "
            "version: measure again."
        )
    figures: Figures = {}
    for (dataset, image, method), scores in _rows(folder / PER_IMAGE):
        images = figures.setdefault(dataset, {}).setdefault(method, {})
        if image in images:
            raise ConfigError(
                f"{folder / PER_IMAGE} has image {image!r} of {dataset} twice for {method}."
            )
        images[image] = scores
    _check_means(folder, means, figures, protocol)
    return Recorded(folder, protocol, figures, settings)


def infinities(
    method: str, dataset: str, images: Collection[Scores], measures: Sequence[Measure], limit: float
) -> list[str]:
    """Sentences on infinite figures, those of images in which nothing differs.

    Args:
        method: Whose figures they are.
        dataset: On what.
        images: The figures of each image.
        measures: Those that are looked at.
        limit: What an infinite figure counts as in a mean, in dB.
    """
    titles: dict[int, list[str]] = {}
    for each in (measure for measure in measures if measure.unit == "dB"):
        if count := sum(math.isinf(scores[each.name]) for scores in images):
            titles.setdefault(count, []).append(each.title)
    return [
        f"{method} has an infinite {' and '.join(found)} in {count} of {len(images)} images of "
        f"{dataset}, where nothing differs; it counts as {limit:g} dB in means."
        for count, found in titles.items()
    ]


def _protocol(stored: Any) -> Protocol | None:
    """The protocol of results; None if it is not of this version.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: The results are damaged.
    """
    digest = str(stored["protocol"])
    values = dict(stored.get("protocol_values", {}))
    values.pop("rules", None)  # the hash has them, too
    found = Protocol(**values) if values else Protocol.of_hash(digest)
    return found if found is not None and found.hash == digest else None


def _rows(path: Path) -> Iterator[tuple[tuple[str, str, str], Scores]]:
    """Data set, image and method of each row, and its figures; a cell may be empty."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        reader = csv.DictReader(file)
        try:
            lacking = [key for key in KEYS if key not in (reader.fieldnames or ())]
            for row in reader if not lacking else ():
                dataset, image, method = (row.pop(key) for key in KEYS)
                yield (dataset, image, method), {k: float(v) for k, v in row.items() if v != ""}
        except (ValueError, TypeError, csv.Error) as error:
            raise ConfigError(f"{path} is damaged in line {reader.line_num}: {error}.") from error
    if lacking:
        raise ConfigError(f"{path} is damaged: it has no column {', '.join(lacking)}.")


def _check_means(folder: Path, means: Means, figures: Figures, protocol: Protocol) -> None:
    """Refuse two files that are of different evaluations."""
    refusal = f"{RESULTS} and {PER_IMAGE} in {folder} are not of one evaluation: "
    if means.keys() != {(dataset, method) for dataset in figures for method in figures[dataset]}:
        raise ConfigError(f"{refusal}they hold other data sets or methods.")
    for (dataset, method), scores in means.items():
        images = figures[dataset][method].values()
        own = {"images": float(len(images))}
        for name, measure in MEASURES.items():
            if all(name in image for image in images):
                values = [measure.for_mean(image[name], protocol) for image in images]
                own[name] = math.fsum(values) / len(values)
        for name in own:
            if abs(own[name] - scores.get(name, own[name])) > 1e-6:
                raise ConfigError(f"{refusal}{name} of {method} on {dataset} differs.")
