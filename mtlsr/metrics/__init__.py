"""The benchmark protocol as a value, and the figures that it defines.

    from mtlsr.metrics import Protocol, measure, measures, psnr

    protocol = Protocol.preset("literature", scale=4)
    psnr(sr, hr, protocol)         # dB on the Y channel; sr and hr: uint8, H x W x 3
    measure(sr, hr, protocol)      # ImageScores: PSNR and SSIM, on Y and on RGB
    measures(["niqe", "lr_psnr"])  # by name: each is called as (sr, hr, lr, protocol)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtlsr.metrics._gmsd import gmsd
    from mtlsr.metrics._ms_ssim import ms_ssim
    from mtlsr.metrics._niqe import niqe
    from mtlsr.metrics._psnr import psnr
    from mtlsr.metrics._ssim import ssim
    from mtlsr.metrics.consistency import lr_psnr
    from mtlsr.metrics.edges import edge_psnr
    from mtlsr.metrics.image_metrics import ImageMetrics, ImageScores, measure
    from mtlsr.metrics.perceptual import dists, lpips
    from mtlsr.metrics.planes import luma
    from mtlsr.metrics.protocol import PRESETS, Protocol, check_comparable
    from mtlsr.metrics.table import MEASURES, Measure, measures
    from mtlsr.metrics.texture import texture_distance

__all__ = [
    "MEASURES",
    "PRESETS",
    "ImageMetrics",
    "ImageScores",
    "Measure",
    "Protocol",
    "check_comparable",
    "dists",
    "edge_psnr",
    "gmsd",
    "lpips",
    "lr_psnr",
    "luma",
    "measure",
    "measures",
    "ms_ssim",
    "niqe",
    "psnr",
    "ssim",
    "texture_distance",
]

# The underscores matter: importing a submodule binds its name in this package, so a module called
# `psnr` would hide the function `psnr`.
_MODULE_OF = {
    "MEASURES": "table",
    "PRESETS": "protocol",
    "ImageMetrics": "image_metrics",
    "ImageScores": "image_metrics",
    "Measure": "table",
    "Protocol": "protocol",
    "check_comparable": "protocol",
    "dists": "perceptual",
    "edge_psnr": "edges",
    "gmsd": "_gmsd",
    "lpips": "perceptual",
    "lr_psnr": "consistency",
    "luma": "planes",
    "measure": "image_metrics",
    "measures": "table",
    "ms_ssim": "_ms_ssim",
    "niqe": "_niqe",
    "psnr": "_psnr",
    "ssim": "_ssim",
    "texture_distance": "texture",
}


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value  # the next access finds it without coming here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
