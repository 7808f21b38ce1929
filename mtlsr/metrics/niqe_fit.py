"""Fit the natural scene statistics that NIQE compares with."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtlsr.data.images import read_image
from mtlsr.errors import UserError
from mtlsr.files import replacing
from mtlsr.metrics._niqe import BLOCK, FEATURES, Statistics, block_features, statistics
from mtlsr.metrics.planes import Plane, one_channel

SHARP = 0.75
"""Blocks count whose sharpness is above this share of the sharpest block's in their photograph."""


@dataclass(frozen=True)
class Fit:
    """What `niqe.json` holds, but for where the photographs came from."""

    statistics: Statistics
    blocks: int
    """How many there were to fit to."""


def fit(files: Iterable[Path]) -> Fit:
    """Mean and covariance of the features of the sharp blocks of photographs.

    Args:
        files: photographs as they left the camera: neither enlarged nor visibly compressed.

    Raises:
        ImageError: a file that cannot be read.
        UserError: too few blocks for a covariance of 36 features.
    """
    kept = [np.empty((0, FEATURES))]
    for path in files:
        features, sharpness = block_features(one_channel(read_image(path), "bt601-studio"))
        kept.append(features[sharpness > SHARP * sharpness.max(initial=0)])
    sharp = np.concatenate(kept)
    if len(sharp) <= FEATURES:
        raise UserError(
            f"the photographs hold {len(sharp)} sharp blocks of {BLOCK} x {BLOCK} pixels; more "
            f"than {FEATURES} are needed"
        )
    return Fit(statistics(sharp), len(sharp))


def write(output: Path, found: Fit, photographs: Mapping[str, Sequence[Path]]) -> None:
    """Write a fit as `niqe.json` is written, whole or not at all.

    Args:
        output: the file.
        found: the fit.
        photographs: name of a folder -> its files, of which the names and numbers are noted.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        "photographs": {name: len(files) for name, files in photographs.items()},
        "blocks": found.blocks,
        "mean": _rounded(found.statistics.mean),
        "covariance": [_rounded(row) for row in found.statistics.covariance],
    }
    with replacing(output) as file:
        file.write(json.dumps(content).replace("], [", "],\n[") + "\n")


def _rounded(row: Plane) -> list[float]:
    """Ten digits are more than a figure needs, and nearly the same on every machine."""
    return [float(f"{value:.10g}") for value in row]
