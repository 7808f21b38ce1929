"""Degradations of known strength: stage 1 learns to name them and to undo them.

    classical   one pass of resampling, blur, noise and JPEG
    bicubic     the same, never applied: what bicubic down-scaling made stays as it is
    realistic   two passes, shuffled, with Poisson noise, WebP, resizing and ringing as well

Each is a frozen dataclass of ranges and probabilities (``Degradation`` says what it does), and has
its own named vector. ``DEGRADATIONS`` lists the classes by the name that a configuration gives.
"""

from mtlsr.data.degradation.base import Degradation
from mtlsr.data.degradation.batched import Draws, degrade_batch
from mtlsr.data.degradation.classical import Classical, bicubic, classical
from mtlsr.data.degradation.filters import gaussian_kernel, sinc_kernel
from mtlsr.data.degradation.realistic import Pass, Realistic, realistic

DEGRADATIONS: dict[str, type[Degradation]] = {"classical": Classical, "realistic": Realistic}

__all__ = [
    "DEGRADATIONS",
    "Classical",
    "Degradation",
    "Draws",
    "Pass",
    "Realistic",
    "bicubic",
    "classical",
    "degrade_batch",
    "gaussian_kernel",
    "realistic",
    "sinc_kernel",
]
