"""The benchmark protocol as a value: every choice that changes a figure, and a hash of them all.

Two results may be ranked together only if their protocols have the same hash.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal, get_args

from mtlsr.errors import UserError

Space = Literal["y", "rgb"]
Grey = Literal["stored", "rgb"]
Colour = Literal["bt601-studio", "bt601-full", "opencv"]
GreyOutput = Literal["bt601-full", "mean"]
OutputKind = Literal["uint8", "float"]

# What the code fixes and no field can change. Raise the number whenever an edit to this package
# changes a figure. Rules 1: HR cropped at the bottom and right to a multiple of the scale; outputs
# clamped, and rounded to uint8 unless `output` says otherwise; figures per image in float64, then
# their mean over images; PSNR on RGB from the error pooled over the channels; SSIM at valid
# positions only, with population (1/N) covariances, and on RGB the mean over the channels.
RULES = 1

_LATER = ("space", "output")  # fields that came when results were on disk already

# What sets one convention of the literature apart from another; the rest is `Protocol`'s defaults.
PRESETS: dict[str, dict[str, Any]] = {
    # Grey HR files are compared as stored, 0..255. Gives the published Set14 figures.
    "literature": {"grey": "stored"},
    # Grey HR files become RGB and then Y, 16..235: about 0.09 dB more on Set14's mean.
    "rgb-grey": {"grey": "rgb"},
    # Compared on RGB, as DIV2K's challenges do; grey HR files become RGB first.
    "rgb": {"space": "rgb", "grey": "rgb"},
    # The full image: no border is cut.
    "full": {"border": 0},
}

_SCALES = range(1, 17)  # at which `Protocol.of_hash` looks for presets


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

    space: Space = "y"
    """What is compared where a figure's name does not say it: the Y channel, or RGB."""

    output: OutputKind = "uint8"
    """What an output is: rounded to uint8 levels, or floating-point levels that never were."""

    def __post_init__(self) -> None:
        _check("scale", self.scale, _whole(self.scale, 1), "a whole number from 1 up")
        _check("border", self.border, _whole(self.border, 0), "a whole number from 0 up")
        words = {"grey": Grey, "colour": Colour, "grey_output": GreyOutput}
        for name, kind in (words | {"space": Space, "output": OutputKind}).items():
            _check(name, getattr(self, name), getattr(self, name) in get_args(kind), get_args(kind))
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
        """A named convention (see `PRESETS`); all but `full` cut `scale` pixels per side.

        Raises:
            ValueError: the name is unknown, or the scale is not a whole number from 1 up.
        """
        _check("preset", name, name in PRESETS, tuple(PRESETS))
        return cls(**{"scale": scale, "border": scale} | PRESETS[name])

    @classmethod
    def of_hash(cls, digest: str) -> "Protocol | None":
        """The preset that has this hash at some scale from 1 to 16; None for any other protocol."""
        presets = (cls.preset(name, scale) for name in PRESETS for scale in _SCALES)
        return next((preset for preset in presets if preset.hash == digest), None)

    def describe(self) -> dict[str, Any]:
        """All values and the number of the fixed rules, as plain data for JSON."""
        return {"rules": RULES, **asdict(self)}

    @property
    def hash(self) -> str:
        """12 hexadecimal characters: the start of the SHA-256 of `describe()` as canonical JSON.

        Of the fields that came later only changed values are in it, so that older results keep
        their hash.
        """
        usual = {field.name: field.default for field in fields(self) if field.name in _LATER}
        values = {k: v for k, v in self.describe().items() if k not in usual or v != usual[k]}
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def check_comparable(protocols: Mapping[str, Protocol | str]) -> None:
    """Refuse to rank results that were not measured alike.

    Args:
        protocols: name of a result -> its protocol, or the hash that its results.json carries.

    Raises:
        UserError: two hashes differ; the message says whose, and in which values.
    """
    hashes = {name: p if isinstance(p, str) else p.hash for name, p in protocols.items()}
    first = next(iter(hashes), "")
    for name, found in hashes.items():
        if found != hashes[first]:
            raise UserError(
                f"{first} and {name} cannot be ranked together: their protocols, {hashes[first]} "
                f"and {found}, differ in {_difference(protocols[first], protocols[name])}."
            )


def _difference(ours: Protocol | str, theirs: Protocol | str) -> str:
    """Which values differ: 'border (4 and 0) and colour (bt601-studio and opencv)'."""
    a, b = (Protocol.of_hash(p) if isinstance(p, str) else p for p in (ours, theirs))
    if a is None or b is None:
        return "values that their hashes do not tell: only presets are known by their hash"
    pairs = zip(a.describe().items(), b.describe().values(), strict=True)
    differing = [f"{name} ({x} and {y})" for (name, x), y in pairs if x != y]
    return ", ".join(differing[:-1]) + (" and " if len(differing) > 1 else "") + differing[-1]


def _whole(value: object, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _positive(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < math.inf


def _check(name: str, value: object, good: bool, allowed: str | tuple[str, ...]) -> None:
    if not good:
        listed = allowed if isinstance(allowed, str) else ", ".join(allowed)
        raise ValueError(f"protocol: {name} is {value!r}; allowed: {listed}")
