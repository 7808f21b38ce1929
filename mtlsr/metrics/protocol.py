"""The benchmark protocol as a value: every choice that changes a figure, and a hash of them all.

Two results may be ranked together only if their protocols have the same hash.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from numbers import Integral, Real
from typing import Any, Literal, get_args

Grey = Literal["stored", "rgb"]
Colour = Literal["bt601-studio", "bt601-full"]
GreyOutput = Literal["bt601-full", "mean"]

# What the code fixes and no field can change. Raise the number whenever an edit to this package
# changes a figure. Rules 1: HR cropped at the bottom and right to a multiple of the scale; outputs
# clamped and rounded to uint8; figures per image in float64, then their mean over images; PSNR on
# RGB from the error pooled over the channels; SSIM at valid positions only, with population
# (1/N) covariances, and on RGB the mean over the channels.
RULES = 1

# What sets one convention of the literature apart from another; the rest is `Protocol`'s defaults.
PRESETS: dict[str, dict[str, Any]] = {
    # Grey HR files are compared as stored, 0..255. Gives the published Set14 figures.
    "literature": {"grey": "stored"},
    # Grey HR files become RGB and then Y, 16..235: about 0.09 dB more on Set14's mean.
    "rgb-grey": {"grey": "rgb"},
}


@dataclass(frozen=True)
class Protocol:
    """How an output is compared with its ground truth.

    Usually built by `Protocol.preset("literature", scale)`; `dataclasses.replace` changes a value.

    Raises:
        ValueError: a value is not allowed; the message names it and says what is.
    """

    scale: int
    """Up-scaling factor. Changes no figure by itself, but figures of two scales never compare."""

    border: int
    """Pixels cut from each of the four sides before anything is measured."""

    grey: Grey = "stored"
    """How a one-channel HR file is scored on Y: as stored in 0..255, or as the Y of its RGB."""

    colour: Colour = "bt601-studio"
    """Y of an RGB image: BT.601 in 16..235 (MATLAB's rgb2ycbcr), or stretched to 0..255."""

    grey_output: GreyOutput = "bt601-full"
    """One channel from an RGB output whose HR is scored as stored. Exact where R = G = B."""

    peak: float = 255.0
    """Largest possible value: the peak of PSNR and the L of SSIM."""

    window: int = 11
    """Side of SSIM's Gaussian window, in pixels."""

    sigma: float = 1.5
    """Standard deviation of SSIM's Gaussian window, in pixels."""

    k1: float = 0.01
    """SSIM's stabiliser of the luminance term: C1 = (k1 peak)^2."""

    k2: float = 0.03
    """SSIM's stabiliser of the contrast-structure term: C2 = (k2 peak)^2."""

    ceiling: float = 100.0
    """PSNR in dB above which an image counts as this much in a mean. Identical images have an
    infinite PSNR, and one of them would make the mean of a whole set infinite. 100 dB is one level
    of error in a single pixel of a 481 x 321 image, so no real result is touched."""

    def __post_init__(self) -> None:
        _check("scale", self.scale, _whole(self.scale, 1), "a whole number from 1 up")
        _check("border", self.border, _whole(self.border, 0), "a whole number from 0 up")
        _check("grey", self.grey, self.grey in get_args(Grey), get_args(Grey))
        _check("colour", self.colour, self.colour in get_args(Colour), get_args(Colour))
        outputs = get_args(GreyOutput)
        _check("grey_output", self.grey_output, self.grey_output in outputs, outputs)
        odd = _whole(self.window, 3) and self.window % 2 == 1
        _check("window", self.window, odd, "an odd whole number from 3 up")
        for name in ("scale", "border", "window"):
            object.__setattr__(self, name, int(getattr(self, name)))
        for name in ("peak", "sigma", "k1", "k2", "ceiling"):
            value = getattr(self, name)
            _check(name, value, _positive(value), "a finite number above 0")
            # 255 and 255.0 are one value and must have one hash.
            object.__setattr__(self, name, float(value))

    @classmethod
    def preset(cls, name: str, scale: int) -> "Protocol":
        """A named convention (see `PRESETS`) at one scale, with `scale` pixels cut per side.

        Raises:
            ValueError: the name is unknown, or the scale is not a whole number from 1 up.
        """
        _check("preset", name, name in PRESETS, tuple(PRESETS))
        return cls(scale=scale, border=scale, **PRESETS[name])

    def describe(self) -> dict[str, Any]:
        """All values and the number of the fixed rules, as plain data for JSON."""
        return {"rules": RULES, **asdict(self)}

    @property
    def hash(self) -> str:
        """12 hexadecimal characters: the start of the SHA-256 of `describe()` as canonical JSON."""
        canonical = json.dumps(self.describe(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def _whole(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _positive(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf


def _check(name: str, value: object, good: bool, allowed: str | tuple[str, ...]) -> None:
    if not good:
        listed = allowed if isinstance(allowed, str) else ", ".join(allowed)
        raise ValueError(f"protocol: {name} is {value!r}; allowed: {listed}")
