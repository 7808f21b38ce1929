"""Every measure of one image by name, in one explicit table.

Nothing is computed but what is asked for, and what a measure needs beside its inputs (NIQE's
statistics, a backbone) is loaded with its first figure.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from mtlsr.errors import UserError
from mtlsr.metrics._gmsd import gmsd
from mtlsr.metrics._ms_ssim import ms_ssim
from mtlsr.metrics._niqe import niqe
from mtlsr.metrics._psnr import psnr
from mtlsr.metrics._ssim import ssim
from mtlsr.metrics.consistency import lr_psnr
from mtlsr.metrics.edges import edge_psnr
from mtlsr.metrics.perceptual import check_installed, dists, lpips
from mtlsr.metrics.planes import Image, Output
from mtlsr.metrics.protocol import Protocol
from mtlsr.metrics.texture import texture_distance

Need = Literal["hr", "lr"]


@dataclass(frozen=True)
class Measure:
    """A figure of one output: its function, and what a table and a mean must know of it."""

    name: str
    """In results.json and per_image.csv."""
    title: str
    """Above a column."""
    digits: int
    """After the decimal point, where it is shown."""
    higher_is_better: bool
    function: Callable[..., float]
    """Takes the output, what `needs` says, the protocol and `options`."""
    options: tuple[Any, ...] = ()
    needs: tuple[Need, ...] = ("hr",)
    """Beside the output: the ground truth, the low resolution, or nothing."""
    unit: str = ""
    extra: str | None = None
    """What must be installed for it: pip install 'mtlsr[<extra>]'."""

    @property
    def heading(self) -> str:
        """Its title, which says where less is better."""
        return self.title if self.higher_is_better else f"{self.title} ↓"

    @property
    def suffix(self) -> str:
        """What stands behind a figure: ` dB`, or nothing."""
        return f" {self.unit}" if self.unit else ""

    @property
    def sign(self) -> int:
        """1 where higher is better, else -1: what makes more of a figure better."""
        return 1 if self.higher_is_better else -1

    def text(self, value: float) -> str:
        """A figure with as many digits as it is shown with."""
        return f"{value:.{self.digits}f}"

    def __call__(self, sr: Output, hr: Image | None, lr: Image | None, protocol: Protocol) -> float:
        """Measure one output.

        Args:
            sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is.
            hr: ground truth of the same size, uint8; None where it is not needed.
            lr: what `sr` was made of, uint8; None where it is not needed.
            protocol: how they are compared.

        Raises:
            ValueError: something that is needed is missing, does not fit or is too small.
            UserError: a package or a backbone's weights are missing.
        """
        given = {"hr": hr, "lr": lr}
        for need in self.needs:
            if given[need] is None:
                raise ValueError(f"{need} is missing; {self.name} needs it")
        return self.function(sr, *(given[n] for n in self.needs), protocol, *self.options)

    def for_mean(self, value: float, protocol: Protocol) -> float:
        """A figure as it enters a mean: decibels at most `protocol.ceiling`, others as they are."""
        return min(value, protocol.ceiling) if self.unit == "dB" else value


def _decibels(name: str, title: str, function: Callable[..., float], **more: Any) -> Measure:
    return Measure(name, title, 2, True, function, unit="dB", **more)


def _similarity(name: str, title: str, function: Callable[..., float], space: str) -> Measure:
    return Measure(name, title, 4, True, function, (space,))


_ALL = (
    _decibels("psnr_y", "PSNR-Y", psnr, options=("y",)),
    _similarity("ssim_y", "SSIM-Y", ssim, "y"),
    _decibels("psnr_rgb", "PSNR-RGB", psnr, options=("rgb",)),
    _similarity("ssim_rgb", "SSIM-RGB", ssim, "rgb"),
    _similarity("ms_ssim_y", "MS-SSIM-Y", ms_ssim, "y"),
    _similarity("ms_ssim_rgb", "MS-SSIM-RGB", ms_ssim, "rgb"),
    _decibels("lr_psnr", "LR-PSNR", lr_psnr, needs=("lr",)),
    _decibels("edge_psnr", "edge PSNR", edge_psnr),
    Measure("gmsd", "GMSD", 4, False, gmsd),
    Measure("texture", "texture", 3, False, texture_distance),
    Measure("niqe", "NIQE", 2, False, niqe, needs=()),
    Measure("lpips", "LPIPS", 4, False, lpips, extra="perceptual"),
    Measure("dists", "DISTS", 4, False, dists, extra="perceptual"),
)

MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ALL}
"""The first four are what `ImageMetrics` measures."""


def measures(names: Iterable[str]) -> dict[str, Measure]:
    """The measures of these names, in their order, each ready to be used.

    Raises:
        UserError: an unknown name, or a measure whose package or backbone is missing.
    """
    found = {}
    for name in names:
        if name not in MEASURES:
            raise UserError(f"the measure {name!r} is unknown; known are {', '.join(MEASURES)}")
        found[name] = MEASURES[name]
        if found[name].extra == "perceptual":
            check_installed(name)
    return found
