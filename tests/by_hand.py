"""The objective in NumPy and SciPy, from its formulas alone: what the tests compare it with."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage, signal

Array = np.ndarray


def distance(estimate: Array, target: Array, kind: str) -> float:
    """λ1: mean over all numbers."""
    difference = estimate - target
    if kind == "mse":
        return float(np.mean(difference**2))
    if kind == "l1":
        return float(np.mean(np.abs(difference)))
    return float(np.mean(np.hypot(difference, 1e-3)) - 1e-3)


def convolution(maps: Array, weight: Array, bias: Array) -> Array:
    """A convolution layer with zero padding: (N, C, H, W) -> (N, K, H, W)."""
    return np.stack(
        [
            np.stack(
                [
                    sum(
                        signal.correlate2d(channel, kernel, mode="same")
                        for channel, kernel in zip(image, kernels, strict=True)
                    )
                    + offset
                    for kernels, offset in zip(weight, bias, strict=True)
                ]
            )
            for image in maps
        ]
    )


def statistic(features: Array, kind: str) -> Array:
    """λ2: what of an image's maps describes its style; `centred` leaves the mean to `centre`."""
    flat = features.reshape(*features.shape[:2], -1)
    if kind == "gram":
        return np.stack([np.cov(x, bias=True) for x in flat])
    if kind == "mean_std":
        return np.stack([flat.mean(-1), np.sqrt(flat.var(-1) + 1e-8)], axis=1)
    return flat.mean(-1)


def averaged(newest: Array, earlier: Sequence[Array], decay: float) -> Array:
    """Mean of earlier batches' values and the newest one, weighted by decay^age."""
    weights = decay ** np.arange(len(earlier) + 1)[::-1].astype(float)
    return np.average(np.stack([*earlier, newest]), axis=0, weights=weights)


def centre(means: Array, earlier: Sequence[Array] = (), decay: float = 0.0) -> Array:
    """Pooled maps less the (averaged) mean over the batch."""
    return means - averaged(means.mean(axis=0), earlier, decay)


def style(ours: Array, truth: Array, kind: str) -> float:
    """λ2: mean over images of ‖a - b‖ (`centred`) or of √(1 + ‖a - b‖² / 4‖b‖²) - 1."""
    norms = np.array([np.linalg.norm(x) for x in ours - truth])
    if kind == "centred":
        return float(norms.mean())
    energies = np.array([np.linalg.norm(x) ** 2 for x in truth])
    return float(np.mean(np.sqrt(1 + norms**2 / (energies + 1e-6) / 4) - 1))


def derivatives(picture: Array) -> tuple[Array, Array]:
    """d/dx and d/dy of one (3, H, W) picture, in intensity per pixel."""
    grey = np.tensordot([0.299, 0.587, 0.114], picture, axes=1)
    dx, dy = (ndimage.sobel(grey, axis=axis, mode="nearest") / 8 for axis in (1, 0))
    return dx, dy


def smaller_eigenvalue(picture: Array) -> Array:
    """Of the structure tensor at each pixel of one (3, H, W) picture."""
    dx, dy = derivatives(picture)
    xx, yy, xy = (
        ndimage.gaussian_filter(x, sigma=1, radius=3, mode="mirror")
        for x in (dx * dx, dy * dy, dx * dy)
    )
    tensors = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1)
    return np.linalg.eigvalsh(tensors)[..., 0].clip(min=0)


def structure(images: Array, kind: str) -> Array:
    """λ3: the transform of (N, 3, H, W)."""
    if kind == "gradient":
        return np.stack([np.stack(derivatives(x)) for x in images])
    if kind == "corners":
        return np.stack([np.sqrt(smaller_eigenvalue(x) + 1e-8)[None] - 1e-4 for x in images])
    return images
