"""Methods by the words that a user names them with."""

from collections.abc import Callable
from pathlib import Path

from mtlsr.data.interpolation import METHODS as KERNELS
from mtlsr.inference.methods.base import Method
from mtlsr.inference.methods.images import Images
from mtlsr.inference.methods.interpolation import Interpolation
from mtlsr.inference.methods.network import Settings, own_network
from mtlsr.inference.methods.onnx import onnx_network
from mtlsr.inference.methods.spandrel import spandrel_network
from mtlsr.networks.folder import load_model, model_folder

PREFIXES: dict[str, Callable[[str, Settings], Method]] = {
    "images": lambda folder, settings: Images(folder),
    "onnx": onnx_network,
    "spandrel": spandrel_network,
}
"""What stands before the colon -> what is made of the path behind it."""


def find_method(words: str, settings: Settings) -> Method:
    """The method that a user means.

    Args:
        words: `nearest`, `bilinear`, `bicubic` or `lanczos`; `images:<folder>`, `onnx:<file>` or
            `spandrel:<file>`; or a run or model folder.
        settings: How networks compute.

    Raises:
        UserError: There is nothing of the kind at the path, it cannot be used, or a package that
            it needs is missing.
    """
    if words in KERNELS:
        return Interpolation(words)
    prefix, colon, path = words.partition(":")
    if colon and prefix in PREFIXES:
        return PREFIXES[prefix](path, settings)
    return own_network(load_model(model_folder(words))[0], settings)


def place(words: str) -> Path | None:
    """The file or folder that a method is read from; None for interpolation."""
    if words in KERNELS:
        return None
    prefix, colon, path = words.partition(":")
    return Path(path) if colon and prefix in PREFIXES else model_folder(words)
