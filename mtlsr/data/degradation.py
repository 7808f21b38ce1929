"""Degradations of known strength: stage 1 learns to name them and to undo them.

A degradation is a vector of five strengths in [0, 1], in the order of ``PARAMETERS``. Zero means
absent, one the strongest that the ranges allow, and the scale between them is linear:

    blur         standard deviation of a Gaussian, 0 .. blur[1] pixels
    anisotropy   ratio of its long to its short axis, 1 .. anisotropy[1] (their product stays)
    noise        standard deviation of white Gaussian noise, 0 .. noise[1] of 255
    jpeg         quality, 100 .. jpeg[0]
    resampling   factor by which the image is shrunk and enlarged again, 1 .. resampling[1]

All of it acts on low-resolution patches, in the order resampling, blur, noise, JPEG: the order in
which an optical path, a sensor and a codec would do it (compare Zhang et al., "Designing a
Practical Degradation Model for Deep Blind Image Super-Resolution", ICCV 2021).
"""

from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from mtlsr.data.augment import jpeg

UInt8 = NDArray[np.uint8]
Vector = NDArray[np.float32]
Range = tuple[float, float]

PARAMETERS = ("blur", "anisotropy", "noise", "jpeg", "resampling")
"""Names of the vector's entries."""


@dataclass(frozen=True)
class DegradationRanges:
    """How strong, and how often. A range holds the least and the greatest value that is drawn."""

    blur: Range = (0.2, 2.0)
    """Standard deviation of the Gaussian, in low-resolution pixels."""
    anisotropy: Range = (1.0, 3.0)
    """Ratio of the Gaussian's long axis to its short axis; drawn only where there is blur."""
    noise: Range = (1.0, 25.0)
    """Standard deviation of the noise, in levels of 255."""
    jpeg: Range = (30.0, 95.0)
    """JPEG quality, worst and best."""
    resampling: Range = (1.0, 2.0)
    """Factor by which the image is shrunk before it is enlarged to its own size again."""
    blur_probability: float = 0.7
    anisotropy_probability: float = 0.5
    """Among the blurred samples."""
    noise_probability: float = 0.7
    jpeg_probability: float = 0.7
    resampling_probability: float = 0.3
    clean_probability: float = 0.15
    """Share of samples that are left as they are, whatever the other probabilities say."""

    def __post_init__(self) -> None:
        limits = {
            "blur": (0, 10),
            "anisotropy": (1, 10),
            "noise": (0, 255),
            "jpeg": (1, 100),
            "resampling": (1, 8),
        }
        for name, (low, high) in limits.items():
            pair = tuple(float(value) for value in getattr(self, name))
            if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
                raise ValueError(
                    f"{name} is {list(pair)}: two numbers, the smaller first, "
                    f"from {low} to {high} are needed."
                )
            object.__setattr__(self, name, pair)
        for field in fields(self):
            if field.name.endswith("probability") and not 0 <= getattr(self, field.name) <= 1:
                value = getattr(self, field.name)
                raise ValueError(f"{field.name} is {value}: a number from 0 to 1 is needed.")


bicubic = DegradationRanges(clean_probability=1.0)
"""Never degrades: the low-resolution images stay what bicubic down-scaling made them."""

classical = DegradationRanges()
"""Blur, noise, JPEG and resampling at the default ranges."""


def sample_parameters(rng: np.random.Generator, ranges: DegradationRanges) -> Vector:
    """Draw the strengths of one degradation, uniformly within the ranges.

    The number of draws from ``rng`` does not depend on their outcome.

    Returns:
        float32 ``(5,)`` in [0, 1], in the order of ``PARAMETERS``; 0 is absent.
    """
    chance, strength = rng.random((2, 6))
    if chance[5] < ranges.clean_probability:
        return np.zeros(5, np.float32)
    r = ranges
    blurred = chance[0] < r.blur_probability
    elongated = blurred and chance[1] < r.anisotropy_probability
    values = (
        blurred * _share(_between(r.blur, strength[0]), 0, r.blur[1]),
        elongated * _share(_between(r.anisotropy, strength[1]), 1, r.anisotropy[1]),
        (chance[2] < r.noise_probability) * _share(_between(r.noise, strength[2]), 0, r.noise[1]),
        (chance[3] < r.jpeg_probability) * _share(_between(r.jpeg, strength[3]), 100, r.jpeg[0]),
        (chance[4] < r.resampling_probability)
        * _share(_between(r.resampling, strength[4]), 1, r.resampling[1]),
    )
    return np.array(values, np.float32)


def degrade(
    lr: UInt8, parameters: Vector, rng: np.random.Generator, ranges: DegradationRanges
) -> UInt8:
    """Degrade a low-resolution image by given strengths.

    Args:
        lr: uint8 ``(h, w, 3)``, RGB.
        parameters: ``(5,)`` in [0, 1], in the order of ``PARAMETERS``.
        rng: draws the direction of the blur and the noise.
        ranges: what a strength of 1 stands for.

    Returns:
        uint8 ``(h, w, 3)``; ``lr`` itself where all strengths are zero.

    Raises:
        ValueError: not five strengths, or one outside [0, 1].
    """
    strengths = np.asarray(parameters, np.float64)
    if strengths.shape != (5,) or not ((strengths >= 0) & (strengths <= 1)).all():
        raise ValueError(f"parameters are {parameters}: five numbers from 0 to 1 are needed.")
    blur, anisotropy, noise, compression, resampling = strengths.tolist()
    if not strengths.any():
        return lr

    angle = np.pi * rng.random()
    image = lr.astype(np.float32)
    if resampling:
        image = _resample(image, 1 + resampling * (ranges.resampling[1] - 1))
    if blur:
        ratio = 1 + anisotropy * (ranges.anisotropy[1] - 1)
        image = _blur(image, blur * ranges.blur[1], ratio, angle)
    if noise:
        deviation = np.float32(noise * ranges.noise[1])
        image = image + deviation * rng.standard_normal(lr.shape, np.float32)
    degraded = (image + 0.5).clip(0, 255).astype(np.uint8)
    if compression:
        degraded = jpeg(degraded, round(100 - compression * (100 - ranges.jpeg[0])))
    return degraded


def gaussian_kernel(sigma: float, ratio: float, angle: float) -> NDArray[np.float32]:
    """A Gaussian of standard deviation ``sigma * sqrt(ratio)`` along ``angle``.

    Across it the standard deviation is ``sigma / sqrt(ratio)``.

    Args:
        sigma: geometric mean of the two standard deviations, in pixels, above 0.
        ratio: 1 (round) or more.
        angle: of the long axis against the rows, in radians.

    Returns:
        float32 ``(k, k)`` that adds up to 1; k is odd and reaches three long deviations each way.
    """
    long, short = sigma * ratio**0.5, sigma / ratio**0.5
    reach = int(np.ceil(3 * long))
    steps = np.arange(-reach, reach + 1)
    along = (np.cos(angle) * steps - np.sin(angle) * steps[:, None]) / long
    across = (np.sin(angle) * steps + np.cos(angle) * steps[:, None]) / short
    kernel = np.exp(-0.5 * (along**2 + across**2))
    return (kernel / kernel.sum()).astype(np.float32)


def _blur(
    image: NDArray[np.float32], sigma: float, ratio: float, angle: float
) -> NDArray[np.float32]:
    if ratio == 1:  # round: two passes over the axes do, which is quicker
        side = 2 * int(np.ceil(3 * sigma)) + 1
        blurred = cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REPLICATE)
    else:
        kernel = gaussian_kernel(sigma, ratio, angle)
        blurred = cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, np.float32)


def _resample(image: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    height, width = image.shape[:2]
    small = max(1, round(width / factor)), max(1, round(height / factor))
    shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    enlarged = cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(enlarged, np.float32)


def _between(range_: Range, share: float) -> float:
    return range_[0] + share * (range_[1] - range_[0])


def _share(value: float, absent: float, strongest: float) -> float:
    return (value - absent) / (strongest - absent) if strongest != absent else 0.0
