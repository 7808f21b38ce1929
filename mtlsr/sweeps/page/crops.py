"""The same crop of the same photograph from every variant, for the page's slider."""

import io
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mtlsr.runs.evaluation.pictures import where_they_differ
from mtlsr.runs.pictures import read_panel
from mtlsr.sweeps.variants import Variant

UInt8 = NDArray[np.uint8]

SIDE = 160
"""Of a crop, in pixels of high resolution."""

PHOTOGRAPHS = 4
CROPS = 120
"""At the most, of all photographs together: they decide how large the page is."""

PARTS = ("LR", "bicubic", "ours", "HR")
"""What a panel in a run's `pictures` shows."""


@dataclass(frozen=True)
class Photograph:
    """Crops of one photograph, each as a data address."""

    name: str
    versions: dict[str, str]
    """LR and bicubic, where all variants have the same; variants by their labels; HR."""


def photographs(found: Sequence[Variant], labels: Mapping[str, str]) -> list[Photograph]:
    """Crops where the variants differ most, of photographs that all of them drew.

    A variant is shown by its first seed's job.
    """
    folders = {
        labels[variant.name]: next(iter(variant.done.values())).folder / "pictures"
        for variant in found
        if variant.done
    }
    if not folders:
        return []
    drawn = [{path.stem for path in folder.glob("*.png")} for folder in folders.values()]
    common = sorted(set.intersection(*drawn))
    stems = [stem for stem in common if not stem.endswith("_insights")]
    count = min(PHOTOGRAPHS, max(CROPS // (len(folders) + 3), 1))
    shown = [_photograph(stem, folders) for stem in stems[:count]]
    return [photograph for photograph in shown if photograph is not None]


def _photograph(stem: str, folders: Mapping[str, Path]) -> Photograph | None:
    """None where the pictures are not of one photograph."""
    panels = {
        label: dict(zip(PARTS, read_panel(folder / f"{stem}.png", len(PARTS)), strict=True))
        for label, folder in folders.items()
    }
    first = next(iter(panels.values()))
    if any(not np.array_equal(panel["HR"], first["HR"]) for panel in panels.values()):
        return None
    ours = {label: panel["ours"] for label, panel in panels.items()}
    side = min(SIDE, *first["HR"].shape[:2])
    top, left = where_they_differ(list(ours.values()), first["HR"], side)
    same = all(np.array_equal(panel["LR"], first["LR"]) for panel in panels.values())
    given = {name: first[name] for name in ("LR", "bicubic") if same}  # else of one variant alone
    versions = {**given, **ours, "HR": first["HR"]}
    crops = {
        name: _address(v[top : top + side, left : left + side]) for name, v in versions.items()
    }
    return Photograph(stem, crops)


def _address(image: UInt8) -> str:
    """A lossless picture as an address that holds it."""
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "WEBP", lossless=True, quality=20, method=1)
    return "data:image/webp;base64," + b64encode(stored.getvalue()).decode()
