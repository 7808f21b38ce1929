"""Pictures of an evaluation: where methods differ, with their figures below."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mtlsr.data.images import as_rgb
from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationPair, EvaluationSet
from mtlsr.inference.methods.base import Method, UInt8
from mtlsr.runs.evaluation.methods import BICUBIC
from mtlsr.runs.evaluation.results import Results
from mtlsr.runs.pictures import write_panel

CROP = 96
"""Side of a crop, in pixels of the high resolution, at the most."""

SHOWN = 288
"""Side of a crop as it is shown, at the most; its pixels are repeated."""

FIGURES = 2
"""Measures whose figures stand below the crops: the first ones."""


def draw(
    results: Results, sets: Sequence[EvaluationSet], methods: Mapping[str, Method], folder: Path
) -> list[Path]:
    """Write a panel of the worst, the median and the best image of each set.

    They are ranked by what the first method but bicubic gains over it in the first measure. A panel
    is the whole image, with a mark where the methods differ most, and crops from there:
    LR | bicubic | every method | HR.

    Returns:
        The files, `<folder>/<set>/<worst, median or best>_<image>.png`.
    """
    written = []
    for images in sets:
        gains = _gains(results, images.name, list(methods), images.names)
        for place, index in _chosen(gains).items():
            pair = images[index]
            outputs = {name: method([pair])[0] for name, method in methods.items()}
            path = folder / images.name / f"{place}_{pair.name}.png"
            write_panel(path, *_panel(pair, outputs, _captions(results, pair)))
            written.append(path)
    return written


def _gains(
    results: Results, dataset: str, methods: Sequence[str], names: Sequence[str]
) -> list[float]:
    """What the first method but bicubic gains over it, image by image; alone, bicubic's figure."""
    measure = results.measures[0]
    figures = {
        (row["method"], row["image"]): measure.sign
        * measure.for_mean(row[measure.name], results.protocol)
        for row in results.images
        if row["dataset"] == dataset
    }
    ours = next((name for name in methods if name != BICUBIC), None)
    if ours is None:
        return [figures[BICUBIC, name] for name in names]
    return [figures[ours, name] - figures[BICUBIC, name] for name in names]


def _chosen(gains: Sequence[float]) -> dict[str, int]:
    """Which images are the worst, the median and the best; of fewer than three not all."""
    order = sorted(range(len(gains)), key=gains.__getitem__)
    found = {"worst": order[0], "best": order[-1], "median": order[(len(order) - 1) // 2]}
    if len(order) < 3:
        del found["median"]
    return found if len(order) > 1 else {"only": order[0]}


def _captions(results: Results, pair: EvaluationPair) -> dict[str, str]:
    """The first figures of each method on an image, and what they are below HR."""
    measures = results.measures[:FIGURES]
    captions = {
        row["method"]: " / ".join(each.text(row[each.name]) for each in measures)
        for row in results.images
        if (row["dataset"], row["image"]) == (pair.dataset, pair.name)
    }
    return captions | {"HR": " / ".join(each.title for each in measures)}


def _panel(
    pair: EvaluationPair, outputs: Mapping[str, UInt8], captions: Mapping[str, str]
) -> tuple[dict[str, UInt8], dict[str, str]]:
    """Pictures of one height by name, and what stands below them."""
    hr = as_rgb(pair.hr)
    scale = pair.scale
    side = min(CROP, *hr.shape[:2]) // scale * scale
    top, left = (
        at // scale * scale for at in where_they_differ([*outputs.values()] or [hr], hr, side)
    )
    low = interpolate(pair.lr, scale, "nearest")
    times = max(SHOWN // side, 1)

    def crop(image: UInt8) -> UInt8:
        return interpolate(image[top : top + side, left : left + side], times, "nearest")

    crops = {name: crop(image) for name, image in {"LR": low, **outputs, "HR": hr}.items()}
    whole = _marked(hr, top, left, side, height=times * side)
    return {f"{pair.dataset}, {pair.name}": whole, **crops}, dict(captions)


def where_they_differ(outputs: Sequence[UInt8], hr: UInt8, side: int) -> tuple[int, int]:
    """Top left corner of the square on which outputs differ most; one alone, from HR."""
    compared = outputs if len(outputs) > 1 else [*outputs, hr]
    grey = np.stack([image.mean(axis=2, dtype=np.float32) for image in compared])
    spread: NDArray[np.float32] = grey.max(axis=0) - grey.min(axis=0)
    mean = cv2.boxFilter(spread, -1, (side, side), anchor=(0, 0))
    inside = mean[: spread.shape[0] - side + 1, : spread.shape[1] - side + 1]
    top, left = np.unravel_index(int(np.argmax(inside)), inside.shape)
    return int(top), int(left)


def _marked(hr: UInt8, top: int, left: int, side: int, height: int) -> UInt8:
    """The whole image at that height, with a frame around the crop."""
    ratio = height / hr.shape[0]
    small = Image.fromarray(hr).resize((max(round(ratio * hr.shape[1]), 1), height))
    corners = [round(ratio * at) for at in (left, top, left + side - 1, top + side - 1)]
    ImageDraw.Draw(small).rectangle(corners, outline="#e6194b", width=3)
    return np.asarray(small)
