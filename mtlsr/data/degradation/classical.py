"""One pass of resampling, blur, noise and JPEG.

That is the order in which an optical path, a sensor and a codec would do it, and the degradation
of the blind super-resolution literature: y = JPEG((x shrunk and enlarged) * k + n), compare
Zhang et al., "Designing a Practical Degradation Model for Deep Blind Image Super-Resolution", ICCV
2021 (arXiv:2103.14006), section 2. All of it acts on low-resolution patches.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mtlsr.data import augment
from mtlsr.data.degradation import filters
from mtlsr.data.degradation.base import (
    Degradation,
    Float32,
    Range,
    UInt8,
    Vector,
    between,
    check_probabilities,
    settle_kernels,
    settle_ranges,
    strength,
    to_uint8,
    value_of,
)
from mtlsr.data.degradation.batched import Draws


@dataclass(frozen=True)
class Classical(Degradation):
    """How strong, and how often. A range holds the least and the greatest value that is drawn.

        blur         standard deviation of a Gaussian, 0 .. blur[1] pixels
        anisotropy   ratio of its long to its short axis, 1 .. anisotropy[1] (their product stays)
        noise        standard deviation of white Gaussian noise, 0 .. noise[1] of 255
        jpeg         quality, 100 .. jpeg[0]
        resampling   factor by which the image is shrunk and enlarged again, 1 .. resampling[1]

    The direction of the blur, the kernel that shrinks and the noise are left to the generator.
    """

    names: ClassVar = ("blur", "anisotropy", "noise", "jpeg", "resampling")

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
    kernels: tuple[str, ...] = ("area",)
    """Kernels that shrink, each equally likely: area, bilinear, bicubic. Bicubic enlarges."""
    blur_probability: float = 0.7
    anisotropy_probability: float = 0.5
    """Among the blurred samples."""
    noise_probability: float = 0.7
    jpeg_probability: float = 0.7
    resampling_probability: float = 0.3
    clean_probability: float = 0.15
    """Share of samples that are left as they are, whatever the other probabilities say."""

    def __post_init__(self) -> None:
        settle_ranges(
            self,
            {
                "blur": (0, 10),
                "anisotropy": (1, 10),
                "noise": (0, 255),
                "jpeg": (1, 100),
                "resampling": (1, 8),
            },
        )
        settle_kernels(self)
        check_probabilities(self)

    @property
    def batched(self) -> bool:
        """Without JPEG there is nothing that a training device could not do."""
        others = (self.blur_probability, self.noise_probability, self.resampling_probability)
        return not self.jpeg_probability and any(others) and self.clean_probability < 1

    def sample(self, rng: np.random.Generator) -> Vector:
        chance, share = rng.random((2, 6))
        if chance[5] < self.clean_probability:
            return np.zeros(5, np.float32)
        blurred = chance[0] < self.blur_probability
        elongated = blurred and chance[1] < self.anisotropy_probability
        noisy = chance[2] < self.noise_probability
        compressed = chance[3] < self.jpeg_probability
        resampled = chance[4] < self.resampling_probability
        values = (
            blurred * strength(between(self.blur, share[0]), 0, self.blur[1]),
            elongated * strength(between(self.anisotropy, share[1]), 1, self.anisotropy[1]),
            noisy * strength(between(self.noise, share[2]), 0, self.noise[1]),
            compressed * strength(between(self.jpeg, share[3]), 100, self.jpeg[0]),
            resampled * strength(between(self.resampling, share[4]), 1, self.resampling[1]),
        )
        return np.array(values, np.float32)

    def degrade(self, lr: UInt8, vector: Vector, rng: np.random.Generator) -> UInt8:
        given = self.strengths(vector)
        if not any(given.values()):
            return lr
        steps = self._steps(given, rng, lr.shape)
        image = lr.astype(np.float32)
        if given["resampling"]:
            image = augment.resize(image, steps.small, steps.kernel)
            image = augment.resize(image, lr.shape[:2], "bicubic")
        if given["blur"]:
            image = filters.blur(image, steps.sigma, steps.ratio, steps.angle)
        if given["noise"]:
            image = image + steps.noise
        degraded = to_uint8(image)
        if given["jpeg"]:
            degraded = augment.jpeg(degraded, round(value_of(given["jpeg"], 100, self.jpeg[0])))
        return degraded

    def draws(self, vector: Vector, rng: np.random.Generator, shape: tuple[int, ...]) -> Draws:
        given = self.strengths(vector)
        if given["jpeg"]:
            raise ValueError(f"The vector is {vector}: JPEG cannot be done in batches.")
        steps = self._steps(given, rng, shape)
        kernel = np.ones((1, 1), np.float32)
        if given["blur"]:
            kernel = filters.gaussian_kernel(steps.sigma, steps.ratio, steps.angle)
        reach = filters.gaussian_reach(self.blur[1], self.anisotropy[1])  # the batch's largest
        rows, columns = (
            resampling_operator(size, small, steps.kernel)
            for size, small in zip(shape[:2], steps.small, strict=True)
        )
        return Draws.of(rows, columns, np.pad(kernel, reach - len(kernel) // 2), steps.noise)

    def _steps(
        self, given: dict[str, float], rng: np.random.Generator, shape: tuple[int, ...]
    ) -> "_Steps":
        angle = np.pi * rng.random()
        noise = np.zeros(shape, np.float32)
        if given["noise"]:
            deviation = np.float32(value_of(given["noise"], 0, self.noise[1]))
            noise = deviation * rng.standard_normal(shape, np.float32)
        factor = value_of(given["resampling"], 1, self.resampling[1])
        return _Steps(
            small=(max(1, round(shape[0] / factor)), max(1, round(shape[1] / factor))),
            kernel=self.kernels[int(rng.random() * len(self.kernels))],
            sigma=value_of(given["blur"], 0, self.blur[1]),
            ratio=value_of(given["anisotropy"], 1, self.anisotropy[1]),
            angle=angle,
            noise=noise,
        )


@dataclass(frozen=True)
class _Steps:
    """One degradation, settled but for its JPEG."""

    small: tuple[int, int]
    """Height and width that the image is shrunk to; its own where it is not resampled."""
    kernel: str
    """What shrinks it."""
    sigma: float
    ratio: float
    angle: float
    noise: Float32


@lru_cache(maxsize=256)
def resampling_operator(size: int, small: int, kernel: str) -> NDArray[np.float64]:
    """Shrinking to ``small`` pixels and enlarging to ``size`` again, as a matrix on one axis.

    Returns:
        float64 ``(size, size)``, read-only; its rows add up to 1.
    """
    operator = augment.resize(np.eye(size), (small, size), kernel)
    operator = augment.resize(operator, (size, size), "bicubic")
    operator.flags.writeable = False  # every caller shares it
    return operator


bicubic = Classical(
    blur_probability=0.0,
    anisotropy_probability=0.0,
    noise_probability=0.0,
    jpeg_probability=0.0,
    resampling_probability=0.0,
    clean_probability=1.0,
)
"""Never degrades: the low-resolution images stay what bicubic down-scaling made them."""

classical = Classical()
"""Blur, noise, JPEG and resampling at the default ranges."""
