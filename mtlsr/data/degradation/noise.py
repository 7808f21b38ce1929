"""Noise of sensors, in levels of 255, in colour or grey (the same in all three channels)."""

import numpy as np

from mtlsr.data.degradation.base import Float32

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in brightness (ITU-R BT.601)."""


def gaussian_noise(
    image: Float32, deviation: float, grey: bool, rng: np.random.Generator
) -> Float32:
    """White Gaussian noise: heat and electronics.

    Args:
        image: ``(h, w, 3)``.
        deviation: its standard deviation, in levels.
        grey: whether the channels share it.
        rng: draws it.

    Returns:
        ``(h, w, 3)`` in [0, 255]: the image with its noise, cut where the sensor ends.
    """
    shape = (*image.shape[:2], 1 if grey else 3)
    noise = np.float32(deviation) * rng.standard_normal(shape, np.float32)
    return (image + noise).clip(0, 255)


def poisson_noise(
    image: Float32, deviation: float, grey: bool, rng: np.random.Generator
) -> Float32:
    """Shot noise: a pixel counts photons, and brightness is how many are to be expected.

    White expects (255 / deviation)^2 of them, so the standard deviation of a pixel of level x is
    ``deviation * sqrt(x / 255)``.

    Args:
        image: ``(h, w, 3)``; levels outside [0, 255] are cut first.
        deviation: standard deviation on white, in levels, above 0.
        grey: whether the channels share it; brightness is then counted.
        rng: draws it.

    Returns:
        ``(h, w, 3)`` in [0, 255]: the image with its noise, cut where the sensor ends.
    """
    image = image.clip(0, 255)
    level = np.float32(deviation**2 / 255)  # of one photon
    expected = (image @ LUMA)[..., None] if grey else image
    counted = rng.poisson(expected / level).astype(np.float32) * level
    return (image + (counted - expected)).clip(0, 255)
