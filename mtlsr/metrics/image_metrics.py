"""The four figures of one image, and their mean over many in a form that training can use."""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from mtlsr.metrics._psnr import psnr_of_planes
from mtlsr.metrics._ssim import ssim_of_planes
from mtlsr.metrics.planes import Image, Output, levels
from mtlsr.metrics.protocol import Protocol


@dataclass(frozen=True)
class ImageScores:
    """The figures of one image, on the Y channel and on RGB."""

    psnr_y: float
    """dB; infinite for identical images."""
    ssim_y: float
    psnr_rgb: float
    """dB; infinite for identical images."""
    ssim_rgb: float

    def as_dict(self) -> dict[str, float]:
        """The figures by name, in the order of the fields."""
        return asdict(self)

    def for_mean(self, protocol: Protocol) -> tuple[float, ...]:
        """The figures as they enter a mean: PSNR at most `protocol.ceiling` dB."""
        ceiling = protocol.ceiling
        return min(self.psnr_y, ceiling), self.ssim_y, min(self.psnr_rgb, ceiling), self.ssim_rgb


NAMES = tuple(field.name for field in fields(ImageScores))


def measure(sr: Output, hr: Image, protocol: Protocol) -> ImageScores:
    """PSNR and SSIM of one image, on the Y channel and on RGB.

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is.
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: how the two are compared.

    Raises:
        ValueError: types or shapes do not fit, or the image is smaller than border and window.
    """
    y, rgb = levels(sr, hr, protocol, "y"), levels(sr, hr, protocol, "rgb")
    return ImageScores(
        psnr_y=psnr_of_planes(*y, protocol),
        ssim_y=ssim_of_planes(*y, protocol),
        psnr_rgb=psnr_of_planes(*rgb, protocol),
        ssim_rgb=ssim_of_planes(*rgb, protocol),
    )


class ImageMetrics(Metric):
    """Mean of each figure over images, the same for any number of processes.

        metrics = ImageMetrics(Protocol.preset("literature", scale=4))
        metrics.update(sr, hr)       # one image at a time
        metrics.last                 # this image's own ImageScores
        metrics.compute()            # {"psnr_y": ..., "ssim_y": ..., ..., "images": n}

    In the means an image's PSNR counts as at most `protocol.ceiling` dB, so that identical images
    leave them finite; `last` keeps the true value. An image that a distributed sampler repeats to
    give every process as many counts twice: hand each image to one process only.

    The sums are whole multiples of 2^-32. Whole numbers add up exactly in any order, so the means
    are bit for bit the same for every split of the images, and a module that is cast to bfloat16
    leaves them alone. The rounding is below 1e-9, and the sums hold 20 million images.

    Args:
        protocol: how images are compared.
        options: torchmetrics' own; `sync_on_compute=False` where one process sees every image.
    """

    full_state_update = False
    higher_is_better = True
    is_differentiable = False

    _STEPS = 2**32  # steps of a sum per dB (PSNR) or per 1 (SSIM)

    totals: Tensor
    images: Tensor

    def __init__(self, protocol: Protocol, **options: Any) -> None:
        super().__init__(**options)
        self.protocol = protocol
        self.last: ImageScores | None = None
        zeros = torch.zeros(len(NAMES), dtype=torch.int64)
        self.add_state("totals", zeros, dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, sr: Output | Tensor, hr: Image | Tensor) -> None:
        """Measure one pair and add it.

        Args:
            sr: output, uint8, H x W x 3, as an array or a tensor on any device.
            hr: ground truth of the same size, uint8, H x W x 3 or grey (H x W or H x W x 1).

        Raises:
            ValueError: see `measure`. Nothing is added then.
        """
        self.last = measure(_array(sr), _array(hr), self.protocol)
        steps = [round(value * self._STEPS) for value in self.last.for_mean(self.protocol)]
        self.totals += torch.tensor(steps, dtype=torch.int64, device=self.totals.device)
        self.images += 1

    def compute(self) -> dict[str, float]:
        """The mean of each figure and the number of images; NaN if there were none."""
        images = int(self.images)
        means = [
            total / (self._STEPS * images) if images else math.nan for total in self.totals.tolist()
        ]
        return {**dict(zip(NAMES, means, strict=True)), "images": images}


def _array(image: Image | Tensor) -> Image:
    return image.numpy(force=True) if isinstance(image, Tensor) else np.asarray(image)
