"""Data: photographs -> store -> sample -> batch, and pairs to evaluate on.

The names below load their module when first used, so that importing this package is quick.
``resize`` (torch) and the presets ``bicubic``, ``classical`` and ``realistic`` stay in
``mtlsr.data.resize`` and ``mtlsr.data.degradation``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtlsr.data.augment import dihedral as dihedral
    from mtlsr.data.augment import jpeg as jpeg
    from mtlsr.data.batch import Batch as Batch
    from mtlsr.data.batch import collate as collate
    from mtlsr.data.datasets import DATASETS as DATASETS
    from mtlsr.data.datasets import Dataset as Dataset
    from mtlsr.data.datasets import find_dataset as find_dataset
    from mtlsr.data.datasets import mix as mix
    from mtlsr.data.datasets import take_fraction as take_fraction
    from mtlsr.data.degradation import DEGRADATIONS as DEGRADATIONS
    from mtlsr.data.degradation import Classical as Classical
    from mtlsr.data.degradation import Degradation as Degradation
    from mtlsr.data.degradation import Realistic as Realistic
    from mtlsr.data.degradation import degrade_batch as degrade_batch
    from mtlsr.data.images import ImageError as ImageError
    from mtlsr.data.images import find_images as find_images
    from mtlsr.data.images import read_image as read_image
    from mtlsr.data.images import write_image as write_image
    from mtlsr.data.loader import CountedBatches as CountedBatches
    from mtlsr.data.loader import build_loader as build_loader
    from mtlsr.data.pairs import EvaluationPair as EvaluationPair
    from mtlsr.data.pairs import EvaluationSet as EvaluationSet
    from mtlsr.data.pairs import benchmark_set as benchmark_set
    from mtlsr.data.resize import bicubic_downscale as bicubic_downscale
    from mtlsr.data.resize import bicubic_upscale as bicubic_upscale
    from mtlsr.data.resize import crop_to_multiple as crop_to_multiple
    from mtlsr.data.resize import resampling_matrix as resampling_matrix
    from mtlsr.data.samples import Sample as Sample
    from mtlsr.data.samples import SampleDataset as SampleDataset
    from mtlsr.data.store import Store as Store

_NAMES = {
    "augment": ("dihedral", "jpeg"),
    "batch": ("Batch", "collate"),
    "datasets": ("DATASETS", "Dataset", "find_dataset", "mix", "take_fraction"),
    "degradation": ("DEGRADATIONS", "Classical", "Degradation", "Realistic", "degrade_batch"),
    "images": ("ImageError", "find_images", "read_image", "write_image"),
    "loader": ("CountedBatches", "build_loader"),
    "pairs": ("EvaluationPair", "EvaluationSet", "benchmark_set"),
    "resize": ("bicubic_downscale", "bicubic_upscale", "crop_to_multiple", "resampling_matrix"),
    "samples": ("Sample", "SampleDataset"),
    "store": ("Store",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
