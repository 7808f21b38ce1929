"""Two passes of everything that happens to a photograph on its way through the world.

The passes and their order are those of Real-ESRGAN (Wang et al. 2021, arXiv:2107.10833, section 3):
blur, resizing, noise and a codec, twice, and a sinc filter that rings before or after the second
codec. For a share of the samples the order of all steps is shuffled, as BSRGAN does (Zhang et al.
2021, arXiv:2103.14006, section 3.4); the second codec stays last there, too, as pictures are files
in the end.

Both papers degrade high-resolution images and shrink them. Here the low-resolution patch itself is
degraded, since stage 1 has no other, so widths in pixels mean more than the same widths there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

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
from mtlsr.data.degradation.noise import gaussian_noise, poisson_noise

PASS = ("blur", "anisotropy", "shrinking", "noise", "poisson", "jpeg", "webp")
"""Names of a pass's strengths."""


@dataclass(frozen=True)
class Pass:
    """One pass. A range holds the least and the greatest value that is drawn.

    What a strength of 0 and of 1 stands for:

        blur         standard deviation of a Gaussian, 0 .. blur[1] pixels
        anisotropy   ratio of its long to its short axis, 1 .. anisotropy[1] (their product stays)
        shrinking    factor by which the image gets smaller, 1 .. shrinking[1]
        noise        standard deviation of white Gaussian noise, 0 .. noise[1] of 255
        poisson      standard deviation of Poisson noise on white, 0 .. poisson[1] of 255
        jpeg         quality, 100 .. jpeg[0]
        webp         quality, 100 .. webp[0]
    """

    blur: Range = (0.2, 2.0)
    """Standard deviation of the Gaussian, in pixels of the moment's size."""
    anisotropy: Range = (1.0, 3.0)
    """Ratio of the Gaussian's long axis to its short axis; drawn only where there is blur."""
    shrinking: Range = (1.0, 2.0)
    """Factor by which the image is shrunk; at the end it returns to its own size."""
    enlarging: Range = (1.0, 1.5)
    """Factor by which it is enlarged where it is not shrunk. The vector does not name it: it takes
    nothing away, but makes the blur, noise and blocks that follow finer."""
    noise: Range = (1.0, 20.0)
    """Standard deviation of Gaussian noise, in levels of 255."""
    poisson: Range = (2.5, 20.0)
    """Standard deviation of Poisson noise where the image is white, in levels of 255."""
    jpeg: Range = (30.0, 95.0)
    """JPEG quality, worst and best."""
    webp: Range = (30.0, 95.0)
    """WebP quality, worst and best; never after JPEG in the same pass."""
    blur_probability: float = 0.7
    anisotropy_probability: float = 0.4
    """Among the blurred samples."""
    shrinking_probability: float = 0.5
    enlarging_probability: float = 0.4
    """Among the samples that are not shrunk in this pass."""
    noise_probability: float = 0.4
    poisson_probability: float = 0.3
    grey_probability: float = 0.4
    """Among the noisy samples: the same noise in all three channels."""
    jpeg_probability: float = 0.5
    webp_probability: float = 0.2

    def __post_init__(self) -> None:
        settle_ranges(
            self,
            {
                "blur": (0, 10),
                "anisotropy": (1, 10),
                "shrinking": (1, 8),
                "enlarging": (1, 8),
                "noise": (0, 255),
                "poisson": (0, 255),
                "jpeg": (1, 100),
                "webp": (1, 100),
            },
        )
        check_probabilities(self, ("jpeg", "webp"))

    def sample(self, rng: np.random.Generator) -> list[float]:
        """Draw the strengths of ``PASS``, in that order."""
        chance, share = rng.random(6), rng.random(7)
        blurred = chance[0] < self.blur_probability
        jpeg = chance[5] < self.jpeg_probability
        compressed = chance[5] < self.jpeg_probability + self.webp_probability
        present = {
            "blur": blurred,
            "anisotropy": blurred and chance[1] < self.anisotropy_probability,
            "shrinking": chance[2] < self.shrinking_probability,
            "noise": chance[3] < self.noise_probability,
            "poisson": chance[4] < self.poisson_probability,
            "jpeg": jpeg,
            "webp": compressed and not jpeg,
        }
        strengths = []
        for name, part in zip(PASS, share, strict=True):
            value = between(getattr(self, name), part)
            strengths.append(present[name] * strength(value, *self._scale(name)))
        return strengths

    def value(self, name: str, strength: float) -> float:
        """What a strength stands for: pixels, a factor, levels or a quality."""
        return value_of(strength, *self._scale(name))

    def _scale(self, name: str) -> tuple[float, float]:
        """Values of the strengths 0 and 1."""
        low, high = getattr(self, name)
        if name in ("jpeg", "webp"):
            return 100.0, low
        return (0.0 if name in ("blur", "noise", "poisson") else 1.0), high


@dataclass(frozen=True)
class Realistic(Degradation):
    """Two passes and ringing. The vector names the strengths of ``Pass``, then how much it rings:

        ringing      cut-off frequency of the sinc filter, 1 .. ringing[0] of the sampling limit

    The order of the steps, the direction of blurs, whether the image is enlarged, the kernels that
    resize, the window of the sinc filter, whether noise is grey, and the noise itself are left to
    the generator.
    """

    names: ClassVar = (*(f"{name}1" for name in PASS), *(f"{name}2" for name in PASS), "ringing")

    first: Pass = Pass()
    """The first pass; a mapping of its values does as well."""
    second: Pass = Pass(
        blur=(0.2, 1.5),
        shrinking=(1.0, 1.5),
        enlarging=(1.0, 1.2),
        noise=(1.0, 15.0),
        poisson=(2.5, 15.0),
        blur_probability=0.4,
        shrinking_probability=0.4,
        enlarging_probability=0.5,
        noise_probability=0.3,
        poisson_probability=0.2,
    )
    """The second, likewise."""
    ringing: Range = (0.33, 0.9)
    """Cut-off frequency of the sinc filter, lowest (it rings most) and highest."""
    ringing_probability: float = 0.4
    kernels: tuple[str, ...] = ("area", "bilinear", "bicubic")
    """Kernels that resize, each equally likely each time."""
    shuffle_probability: float = 0.5
    """Share of the samples whose steps come in any order."""
    clean_probability: float = 0.15
    """Share of samples that are left as they are, whatever the other probabilities say."""

    def __post_init__(self) -> None:
        for name in ("first", "second"):
            given: Any = getattr(self, name)
            if isinstance(given, Mapping):
                object.__setattr__(self, name, _pass(name, given))
        settle_ranges(self, {"ringing": (0.1, 1)})
        settle_kernels(self)
        check_probabilities(self)

    def sample(self, rng: np.random.Generator) -> Vector:
        values = [*self.first.sample(rng), *self.second.sample(rng)]
        clean, rings, share = rng.random(3)
        ringing = strength(between(self.ringing, share), 1, self.ringing[0])
        values.append((rings < self.ringing_probability) * ringing)
        return np.array(values, np.float32) * np.float32(clean >= self.clean_probability)

    def degrade(self, lr: UInt8, vector: Vector, rng: np.random.Generator) -> UInt8:
        given = self.strengths(vector)
        if not any(given.values()):
            return lr
        passes = [
            (parameters, {name: given[f"{name}{number}"] for name in PASS})
            for number, parameters in ((1, self.first), (2, self.second))
        ]
        image = lr.astype(np.float32)
        for name, number in self._order(rng):
            if name == "return":
                image = augment.resize(image, lr.shape[:2], self._kernel(rng))
            elif name == "ringing":
                image = self._ring(image, given["ringing"], rng)
            elif name == "resizing":
                image = self._resize(image, *passes[number], rng)
            else:
                image = STEPS[name](image, *passes[number], rng)
        return to_uint8(image)

    def _order(self, rng: np.random.Generator) -> list[tuple[str, int]]:
        """The steps, each with the number of its pass; the image returns to its size among them."""
        shuffled, late = rng.random(2)
        steps = [(name, number) for number in (0, 1) for name in ORDER]
        codec, back, ringing = steps.pop(), ("return", 1), ("ringing", 1)
        if shuffled < self.shuffle_probability:
            steps.append(ringing)
            return [*(steps[i] for i in rng.permutation(len(steps))), back, codec]
        return [*steps, back, *((codec, ringing) if late < 0.5 else (ringing, codec))]

    def _resize(
        self, image: Float32, own: Pass, given: Mapping[str, float], rng: np.random.Generator
    ) -> Float32:
        if given["shrinking"]:
            factor = 1 / own.value("shrinking", given["shrinking"])
        elif rng.random() < own.enlarging_probability:
            factor = between(own.enlarging, rng.random())
        else:
            return image
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        return augment.resize(image, (height, width), self._kernel(rng))

    def _ring(self, image: Float32, strength: float, rng: np.random.Generator) -> Float32:
        if not strength:
            return image
        side = int(rng.choice(WINDOWS))
        return filters.filtered(
            image, filters.sinc_kernel(value_of(strength, 1, self.ringing[0]), side)
        )

    def _kernel(self, rng: np.random.Generator) -> str:
        return self.kernels[int(rng.random() * len(self.kernels))]


def _pass(key: str, values: Mapping[str, Any]) -> Pass:
    try:
        return Pass(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key}: {error}") from error


def _blur(
    image: Float32, own: Pass, given: Mapping[str, float], rng: np.random.Generator
) -> Float32:
    if not given["blur"]:
        return image
    ratio = own.value("anisotropy", given["anisotropy"])
    return filters.blur(image, own.value("blur", given["blur"]), ratio, np.pi * rng.random())


def _noise(
    image: Float32, own: Pass, given: Mapping[str, float], rng: np.random.Generator
) -> Float32:
    if not given["noise"]:
        return image
    grey = rng.random() < own.grey_probability
    return gaussian_noise(image, own.value("noise", given["noise"]), grey, rng)


def _poisson(
    image: Float32, own: Pass, given: Mapping[str, float], rng: np.random.Generator
) -> Float32:
    if not given["poisson"]:
        return image
    grey = rng.random() < own.grey_probability
    return poisson_noise(image, own.value("poisson", given["poisson"]), grey, rng)


def _codec(
    image: Float32, own: Pass, given: Mapping[str, float], rng: np.random.Generator
) -> Float32:
    for name, codec in (("jpeg", augment.jpeg), ("webp", augment.webp)):
        if given[name]:
            quality = round(own.value(name, given[name]))
            image = codec(to_uint8(image), quality).astype(np.float32)
    return image


STEPS = {"blur": _blur, "noise": _noise, "poisson": _poisson, "codec": _codec}
"""A pass's steps that need nothing else: image, pass, its strengths and generator -> image."""

ORDER = ("blur", "resizing", "noise", "poisson", "codec")
"""A pass, unless it is shuffled."""

WINDOWS = range(7, 22, 2)
"""Sides that the sinc filter may be cut to (Real-ESRGAN's)."""

realistic = Realistic()
"""Two passes at the default ranges."""
