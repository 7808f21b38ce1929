"""Is one method better than another? Differences on the same images under the same seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Interval:
    """A mean difference and the bounds between which it lies."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the difference can be told from none at all."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        return f"{self.mean:+.3g} ({self.low:+.3g} to {self.high:+.3g})"


def paired_interval(
    differences: ArrayLike, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Percentile bootstrap interval of a mean of paired differences (Efron 1979).

    Seeds and images are drawn again with replacement, each by themselves, and crossed: a seed that
    was lucky was so on all of its images, and an image that is hard is so under every seed
    (Owen 2007, arXiv:0712.1111, the pigeonhole bootstrap). It is somewhat wide rather than narrow.

    Args:
        differences: (seeds, images), or (images,) of one seed.
        level: Share of the resampled means that lie inside.
        resamples: Their number.
        seed: Of the draws.

    Raises:
        ValueError: No differences, one that is not finite, or a level that is not in ]0, 1[.
    """
    table = np.atleast_2d(np.asarray(differences, dtype=np.float64))
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError(
            f"differences have shape {table.shape}; (seeds, images) of finite numbers is needed."
        )
    if not 0 < level < 1:
        raise ValueError(f"level is {level}; it must be between 0 and 1.")
    rng = np.random.default_rng(seed)
    seeds, images = (
        rng.multinomial(count, np.full(count, 1 / count), size=resamples) / count
        for count in table.shape
    )
    means = np.einsum("rs,si,ri->r", seeds, table, images, optimize=True)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(table.mean()), float(low), float(high))
