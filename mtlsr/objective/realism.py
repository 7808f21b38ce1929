"""λ2, realism and style.

Stage 1 learns realism from a generator that knows how it degraded each image. Stage 2 is judged in
the feature space of stage 1's first block: two images of one style have equal feature statistics.
"""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.objective.precision import in_full_precision, widened

Statistic = Literal["gram", "mean_std"]


def degradation_error(
    vector: Tensor, logit: Tensor, degradation: Tensor, detection: float = 0.0
) -> Tensor:
    """Error of what stage 1 says about the degradation d of its image: a scalar.

    Mean of (v - d)² + detection · mean of -log P(right), P from the logit ℓ = log odds that any
    entry of d is above 0 (binary cross-entropy). A clean image has d = 0 exactly.

    Args:
        vector: v, (N, V).
        logit: ℓ, (N,).
        degradation: d, (N, V) in [0, 1].
        detection: Weight of the second part, 0 or more.
    """
    error = F.mse_loss(widened(vector), widened(degradation))
    if not detection:
        return error
    degraded = (degradation > 0).any(dim=1).to(torch.promote_types(logit.dtype, torch.float32))
    return error + detection * F.binary_cross_entropy_with_logits(widened(logit), degraded)


class DegradationTerm(nn.Module):
    """Stage 1's λ2: `degradation_error`, regression and a clean/degraded decision.

    Args:
        detection: Weight of the decision.

    Raises:
        ValueError: The weight is negative or not finite.
    """

    def __init__(self, detection: float = 0.0) -> None:
        super().__init__()
        if not 0 <= detection < float("inf"):
            raise ValueError(f"detection is {detection}; it must be finite and ≥ 0.")
        self.detection = detection

    def forward(self, vector: Tensor, logit: Tensor, degradation: Tensor) -> Tensor:
        return degradation_error(vector, logit, degradation, self.detection)


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


_STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {"gram": gram, "mean_std": mean_std}


FLOOR = 1e-6
"""Added to the energy that divides, for an original without any features."""


def style_distance(features: Tensor, target: Tensor, statistic: Statistic = "gram") -> Tensor:
    """Distance of the statistics T of two sets of maps (N, C, H, W), mean over images: a scalar.

    d = mean over n of √(1 + r_n² / 4) - 1 with r_n = ‖T(a_n) - T(b_n)‖ / ‖T(b_n)‖. For small r it
    is half of Gatys' ¼ ‖T(a) - T(b)‖², relative to the original's own energy, so that it means the
    same for every judge, however large its features are. The smooth norm (Charbonnier et al. 1994)
    bounds what one image can ask for: noise, say, that nobody could restore.
    """
    describe = _STATISTICS[statistic]
    reference = describe(target).flatten(1)
    squares = (describe(features).flatten(1) - reference).square().sum(dim=1)
    relative = squares / (reference.square().sum(dim=1) + FLOOR)
    return (1 + relative / 4).sqrt().mean() - 1


class StyleTerm(nn.Module):
    """Stage 2's λ2: style distance of `sr` from HR, judged by stage 1's frozen first block.

    The statistic is taken per image, in training over a centred window. Patches lie at random
    places, so a window of them is as good a sample as the patch, and the judge works on
    high-resolution images, where every pixel costs s² times what it costs the networks.

    Args:
        statistic: `gram` or `mean_std`.
        window: Side of the window in pixels of HR; 0 takes all. Evaluation always takes all.
    """

    def __init__(self, statistic: Statistic = "gram", window: int = 0) -> None:
        super().__init__()
        if statistic not in get_args(Statistic):
            raise ValueError(
                f"statistic is {statistic!r}; it is one of {', '.join(get_args(Statistic))}."
            )
        if window < 0:
            raise ValueError(f"window is {window}; it is a number of pixels, or 0 for all.")
        self.statistic: Statistic = statistic
        self.window = window

    def forward(self, sr: Tensor, hr: Tensor, judge: nn.Module) -> Tensor:
        window = self.window if self.training else 0
        with torch.no_grad():
            target = judge(centre(hr, window))
        return style_distance(judge(centre(sr, window)), target, self.statistic)


def centre(images: Tensor, window: int) -> Tensor:
    """Cut the central `window` × `window` pixels of (N, C, H, W); 0 or a larger side keeps all."""
    height, width = images.shape[-2:]
    if not window or window > min(height, width):
        return images
    top, left = (height - window) // 2, (width - window) // 2
    return images[..., top : top + window, left : left + window]
