"""Style: statistics of feature maps that do not see where a pixel stands, and their distances."""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from mtlsr.objective.precision import in_full_precision

Statistic = Literal["gram", "mean_std", "centred"]


@in_full_precision
def gram(features: Tensor) -> Tensor:
    """Gram matrix of feature maps (N, C, H, W) less their mean: G = F Fᵀ / (H·W), (N, C, C).

    It does not see where a pixel stands, so it describes style (Gatys et al. 2016,
    arXiv:1508.06576); the division makes it independent of the patch size. The mean μ, which the
    source subtracts too, is brightness: left in, it outweighs texture by more or by less, as the
    features of stage 1 happen to be (Sun and Saenko 2016, arXiv:1607.01719, compare styles so).
    """
    flat = features.flatten(2)
    flat = flat - flat.mean(dim=-1, keepdim=True)
    return flat @ flat.transpose(1, 2) / flat.shape[-1]


@in_full_precision
def mean_std(features: Tensor) -> Tensor:
    """Mean and standard deviation of every channel of (N, C, H, W): (N, 2, C).

    The statistics of AdaIN (Huang and Belongie 2017, arXiv:1703.06868).
    """
    flat = features.flatten(2)
    # The small constant keeps the gradient of a constant channel finite.
    deviation = (flat.var(dim=-1, correction=0) + 1e-8).sqrt()
    return torch.stack([flat.mean(dim=-1), deviation], dim=1)


@in_full_precision
def pooled(features: Tensor) -> Tensor:
    """Mean of every channel of (N, C, H, W): (N, C)."""
    return features.mean(dim=(-2, -1))


Average = Callable[[Tensor], Tensor]


def unchanged(statistic: Tensor) -> Tensor:
    """No average: the statistic itself."""
    return statistic


def centred(features: Tensor, average: Average = unchanged) -> Tensor:
    """Pooled maps p_n of (N, C, H, W), less their mean over the batch: p_n - μ, (N, C).

    The source's S - μ: how an image's features differ from those of the images beside it, whatever
    all of them have in common. Of one image alone it is 0.

    Args:
        features: Maps.
        average: Takes μ, (1, C), to its moving average.
    """
    means = pooled(features)
    return means - average(means.mean(dim=0, keepdim=True))


_PER_IMAGE: dict[str, Callable[[Tensor], Tensor]] = {"gram": gram, "mean_std": mean_std}


def describe(features: Tensor, statistic: Statistic, average: Average = unchanged) -> Tensor:
    """A statistic of maps (N, C, H, W), steadied by `average`: (N, ...)."""
    if statistic == "centred":
        return centred(features, average)
    return average(_PER_IMAGE[statistic](features))


FLOOR = 1e-6
"""Added to the energy that divides, for an original without any features."""


def relative_distance(ours: Tensor, truth: Tensor) -> Tensor:
    """Mean over images n of √(1 + r_n² / 4) - 1 with r_n = ‖a_n - b_n‖ / ‖b_n‖: a scalar.

    For small r it is half of Gatys' ¼ ‖a - b‖², relative to the original's own energy, so that it
    means the same for every judge, however large its features are. The smooth norm (Charbonnier et
    al. 1994) bounds what one image can ask for: noise, say, that nobody could restore.
    """
    reference = truth.flatten(1)
    squares = (ours.flatten(1) - reference).square().sum(dim=1)
    relative = squares / (reference.square().sum(dim=1) + FLOOR)
    return (1 + relative / 4).sqrt().mean() - 1


def norm_distance(ours: Tensor, truth: Tensor) -> Tensor:
    """Mean over images n of ‖a_n - b_n‖, the 2-norm, not squared: a scalar.

    Its gradient is a unit vector a_n, and 0 where a_n = b_n exactly.
    """
    return torch.linalg.vector_norm((ours - truth).flatten(1), dim=1).mean()


def compare(ours: Tensor, truth: Tensor, statistic: Statistic) -> Tensor:
    """Distance of two statistics: `norm_distance` for `centred`, else `relative_distance`.

    Centred features have no energy of their own to be compared with: two equal images have none.
    """
    return (norm_distance if statistic == "centred" else relative_distance)(ours, truth)


def style_distance(features: Tensor, target: Tensor, statistic: Statistic = "gram") -> Tensor:
    """Distance of the statistics of two sets of maps (N, C, H, W), mean over images: a scalar."""
    return compare(describe(features, statistic), describe(target, statistic), statistic)
