"""Two-stage multi-task super-resolution: train it, measure it, enlarge photographs with it.

    from mtlsr import Upscaler

    Upscaler.from_pretrained("outputs/train/2026-01-31_12-00-00")(image)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtlsr.inference.upscaler import Upscaler

__all__ = ["Upscaler", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name != "Upscaler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mtlsr.inference.upscaler import Upscaler

    return Upscaler


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
