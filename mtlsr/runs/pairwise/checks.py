"""Whether figures can be compared: the same protocol, the same images, none missing."""

import math
from collections.abc import Mapping, Sequence

from mtlsr.data.interpolation import METHODS as KERNELS
from mtlsr.errors import listed
from mtlsr.metrics.protocol import Protocol, check_comparable
from mtlsr.metrics.table import Measure
from mtlsr.runs.recorded import Entry, Recorded, Scores, infinities
from mtlsr.runs.schema import ConfigError

LEAST = 5
"""Images of a data set below which nothing is said of it. The smallest benchmark has as many."""

SAME = 1e-4
"""Difference of a figure that another machine can make."""

Folders = Mapping[str, Recorded]
"""Results by the names of their folders."""

Entries = Mapping[str, Entry]
"""Methods by the names that they have in this comparison."""


def common_protocol(folders: Folders) -> Protocol:
    """The protocol of all results.

    Raises:
        UserError: There are several.
    """
    protocols = {name: results.protocol for name, results in folders.items()}
    check_comparable(protocols)
    return next(iter(protocols.values()))


def common_datasets(entries: Entries, asked: Sequence[str] | None) -> tuple[list[str], list[str]]:
    """The data sets that are asked for, or all that can be compared; and why not the others.

    Raises:
        ConfigError: One that is asked for cannot be compared, or none can.
    """
    have = {name: entry.datasets for name, entry in entries.items()}
    every = list(dict.fromkeys(dataset for datasets in have.values() for dataset in datasets))
    kept, reasons = [], []
    for dataset in every if asked is None else dict.fromkeys(asked):
        lack = [name for name, datasets in have.items() if dataset not in datasets]
        if lack:
            reasons.append(f"{dataset} is not in the results of {', '.join(lack)}")
        elif (images := max(len(entry.images(dataset)) for entry in entries.values())) < LEAST:
            reasons.append(f"{dataset} has {images} image{'s' * (images > 1)}, fewer than {LEAST}")
        else:
            kept.append(dataset)
    if not kept or (reasons and asked is not None):
        raise ConfigError(f"Nothing can be said: {'; '.join(reasons)}.")
    return kept, [f"Left out: {reason}." for reason in reasons]


def check_images(entries: Entries, dataset: str) -> None:
    """Refuse figures of different images.

    Raises:
        ConfigError: Which images lack where.
    """
    have = {name: entry.images(dataset) for name, entry in entries.items()}
    every = dict.fromkeys(image for images in have.values() for image in images)
    lacks = [
        f"{name} lacks {listed(image for image in every if image not in images)}"
        for name, images in have.items()
        if len(images) < len(every)
    ]
    if lacks:
        raise ConfigError(f"The images of {dataset} are not the same: {'; '.join(lacks)}.")


def check_figures(
    entries: Entries, dataset: str, measures: Sequence[Measure], protocol: Protocol
) -> None:
    """Refuse images that were not measured.

    Raises:
        ConfigError: Which figure lacks, and of which images.
    """
    for name, entry in entries.items():
        images = entry.images(dataset)
        for each in measures:
            figures = {image: scores.get(each.name, math.nan) for image, scores in images.items()}
            lack = [i for i, f in figures.items() if not math.isfinite(each.for_mean(f, protocol))]
            if len(lack) == len(images):
                there = ", ".join(dict.fromkeys(key for s in images.values() for key in s))
                raise ConfigError(f"{name} has no {each.name} of {dataset}; it has {there}.")
            if lack:
                raise ConfigError(f"{name} has no {each.name} of {listed(lack)} of {dataset}.")


def check_inputs(folders: Folders, dataset: str, measures: Sequence[Measure]) -> None:
    """Refuse images that are the same by name only: interpolation has other figures there.

    Raises:
        ConfigError: An image, and its figures.
    """
    seen: dict[tuple[str, str], tuple[str, Scores]] = {}
    for name, results in folders.items():
        for method in KERNELS:
            for image, scores in results.figures.get(dataset, {}).get(method, {}).items():
                earlier, first = seen.setdefault((method, image), (name, scores))
                for each in measures:
                    a, b = (figures.get(each.name, math.nan) for figures in (first, scores))
                    if abs(a - b) > SAME:
                        raise ConfigError(
                            f"{image} of {dataset} is another image, or was shrunk otherwise: "
                            f"{each.name} of {method} is {a:.6g} in {earlier}, {b:.6g} in {name}."
                        )


def remarks(
    folders: Folders,
    entries: Entries,
    datasets: Sequence[str],
    measures: Sequence[Measure],
    protocol: Protocol,
) -> list[str]:
    """What a reader has to know of the figures, a sentence each."""
    found = [
        f"{name} was measured with {results.unusual}."
        for name, results in folders.items()
        if results.settings
    ]
    for dataset in datasets:
        for name, entry in entries.items():
            images = entry.images(dataset).values()
            found += infinities(name, dataset, images, measures, protocol.ceiling)
    return found
