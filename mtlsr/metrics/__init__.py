"""The benchmark protocol as a value, and the figures that it defines.

    from mtlsr.metrics import Protocol, measure, psnr, ssim

    protocol = Protocol.preset("literature", scale=4)
    psnr(sr, hr, protocol)         # dB on the Y channel; sr and hr: uint8, H x W x 3
    measure(sr, hr, protocol)      # ImageScores: PSNR and SSIM, on Y and on RGB

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtlsr.metrics._psnr import psnr
    from mtlsr.metrics._ssim import ssim
    from mtlsr.metrics.image_metrics import ImageMetrics, ImageScores, measure
    from mtlsr.metrics.planes import luma
    from mtlsr.metrics.protocol import PRESETS, Protocol
    from mtlsr.metrics.texture import texture_distance

__all__ = [
    "PRESETS",
    "ImageMetrics",
    "ImageScores",
    "Protocol",
    "luma",
    "measure",
    "psnr",
    "ssim",
    "texture_distance",
]

# The underscores matter: importing a submodule binds its name in this package, so a module called
# `psnr` would hide the function `psnr`.
_MODULE_OF = {
    "PRESETS": "protocol",
    "ImageMetrics": "image_metrics",
    "ImageScores": "image_metrics",
    "Protocol": "protocol",
    "luma": "planes",
    "measure": "image_metrics",
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
