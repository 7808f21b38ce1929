"""λ2, realism and style.

Stage 1 learns realism from a generator that knows how it degraded each image. Stage 2 is judged in
the feature space of stage 1's first block: two images of one style have equal feature statistics.
"""

from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtlsr.objective.checks import check_choice, check_weight
from mtlsr.objective.moving_average import MovingAverage
from mtlsr.objective.precision import widened
from mtlsr.objective.style import Statistic, compare, describe


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
        check_weight("detection", detection)
        self.detection = detection

    def forward(self, vector: Tensor, logit: Tensor, degradation: Tensor) -> Tensor:
        return degradation_error(vector, logit, degradation, self.detection)


class StyleTerm(nn.Module):
    """Stage 2's λ2: style distance of `sr` from HR, judged by stage 1's frozen first block.

    The statistic is taken per image, in training over a centred window. Patches lie at random
    places, so a window of them is as good a sample as the patch, and the judge works on
    high-resolution images, where every pixel costs s² times what it costs the networks.

    With `average`, the statistics of `sr` and of HR each go through `moving_average` first: the
    source's ⊖. For `gram` and `mean_std` it averages the images' statistics, for `centred` the mean
    μ that is subtracted, since centred features themselves have mean 0. Evaluation leaves the
    averages as they are, and judges images by their own `gram` and `mean_std`.

    `centred` is the source's ‖S₁ - μ₁ ⊖ S_x̂‖: S₁ the maps of HR and S_x̂ those of `sr`, each pooled
    and less its mean; the norm is that of an image's C numbers, and images are averaged. One image
    alone, as in evaluation, is valued by the average that training left, or as 0 without one.

    Args:
        statistic: `gram`, `mean_std` or `centred`.
        window: Side of the window in pixels of HR; 0 takes all. Evaluation always takes all.
        average: Decay β of the moving average, in [0, 1[; 0 = no average.
        channels: Channels of the judge's maps; needed with an average.

    Raises:
        ValueError: An unknown statistic, or a number out of its range.
    """

    def __init__(
        self,
        statistic: Statistic = "gram",
        window: int = 0,
        average: float = 0.0,
        channels: int = 0,
    ) -> None:
        super().__init__()
        check_choice("statistic", statistic, get_args(Statistic))
        if window < 0:
            raise ValueError(f"window is {window}; it is a number of pixels, or 0 for all.")
        if not 0 <= average < 1:
            raise ValueError(f"average is {average}; it must be at least 0 and below 1.")
        if average and channels < 1:
            raise ValueError(f"channels is {channels}; an average needs those of the judge's maps.")
        self.statistic: Statistic = statistic
        self.window = window
        self.averages = nn.ModuleDict()
        if average:
            shape = {
                "gram": (channels, channels),
                "mean_std": (2, channels),
                "centred": (channels,),
            }[statistic]
            self.averages.update({of: MovingAverage(shape, average) for of in ("sr", "hr")})

    def forward(self, sr: Tensor, hr: Tensor, judge: nn.Module) -> Tensor:
        window = self.window if self.training else 0
        with torch.no_grad():
            target = judge(centre(hr, window))
        ours = self._described(judge(centre(sr, window)), "sr")
        return compare(ours, self._described(target, "hr"), self.statistic)

    def _described(self, features: Tensor, of: str) -> Tensor:
        if self.averages and (self.training or self.statistic == "centred"):
            return describe(features, self.statistic, self.averages[of])
        return describe(features, self.statistic)


def centre(images: Tensor, window: int) -> Tensor:
    """Cut the central `window` × `window` pixels of (N, C, H, W); 0 or a larger side keeps all."""
    height, width = images.shape[-2:]
    if not window or window > min(height, width):
        return images
    top, left = (height - window) // 2, (width - window) // 2
    return images[..., top : top + window, left : left + window]
