"""From a pair of images to the two float64 planes that PSNR and SSIM compare."""

from collections.abc import Iterator
from typing import Any, get_args

import cv2
import numpy as np
import numpy.typing as npt

from mtlsr.data.images import as_rgb
from mtlsr.metrics.protocol import Protocol, Space

Image = npt.NDArray[np.uint8]
Output = npt.NDArray[Any]
"""uint8; or floating-point levels in 0..255 where the protocol's `output` is "float"."""
Plane = npt.NDArray[np.float64]
Levels = npt.NDArray[Any]
"""A plane in float64, or the levels that it holds as they are stored, in uint8."""

BAND = 2**16
"""Values of a map at a time, in whole rows. A dozen float64 maps of this size stay in the cache:
about twice as fast as a 481 x 321 image at once, and the memory of a large one is bounded."""

# One channel from RGB: offset + (R, G, B) . weights / divisor. Whole weights make the weighted sum
# exact, so a value depends on no order of summation, and R = G = B = v gives exactly v where the
# weights add up to the divisor.
_BT601 = np.array([65481.0, 128553.0, 24966.0])
_CHANNEL = {
    "bt601-studio": (16.0, _BT601, 255_000.0),
    "bt601-full": (0.0, _BT601, 219_000.0),
    "mean": (0.0, np.ones(3), 3.0),
    "opencv": (0.0, _BT601, 219_000.0),  # of floating-point levels; uint8 ones see `one_channel`
}


def luma(image: Image, protocol: Protocol) -> Plane:
    """The Y channel of an image, never rounded.

        Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255        R, G, B in 0..255, Y in 16..235

    (ITU-R BT.601, as MATLAB's `rgb2ycbcr`). A grey image is returned as stored, 0..255, if
    `protocol.grey` is "stored"; otherwise it is taken as R = G = B first. Another `protocol.colour`
    changes Y: "opencv" is 0.299 R + 0.587 G + 0.114 B rounded to whole levels, as OpenCV makes it
    of uint8.

    Args:
        image: uint8, H x W x 3 or grey (H x W or H x W x 1).
        protocol: gives `grey` and `colour`.

    Returns:
        float64, H x W.

    Raises:
        ValueError: the image has another type or shape.
    """
    return _luma(checked("image", image), protocol)


def planes(
    sr: Output, hr: Image, protocol: Protocol, space: Space | None = None
) -> tuple[Plane, Plane]:
    """Check a pair, cut the border and take both images to the space in which they are compared.

    A grey HR image scored as stored meets one channel of an RGB output, `protocol.grey_output`:
    by default the same BT.601 weights, stretched to 0..255 and not rounded. In the space "rgb" a
    grey image is R = G = B whatever the protocol says.

    Args:
        sr: output, H x W x 3; also grey (H x W or H x W x 1) if `hr` is. uint8, or, under a
            protocol with `output` "float", levels of float32 or float64, which are clamped to
            0..255 and not rounded.
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: gives `border`, `grey`, `colour`, `grey_output` and `output`.
        space: "y" for one channel, "rgb" for three; None for the protocol's own.

    Returns:
        float64 planes of `sr` and `hr` without the border: H' x W' for "y", H' x W' x 3 for "rgb".

    Raises:
        ValueError: a type, shape, size or space is not allowed.
    """
    a, b = levels(sr, hr, protocol, space)
    return np.asarray(a, np.float64), np.asarray(b, np.float64)


def levels(
    sr: Output, hr: Image, protocol: Protocol, space: Space | None = None
) -> tuple[Levels, Levels]:
    """What `planes` returns, but RGB of whole levels stays in uint8: an eighth of the memory.

    Raises:
        ValueError: see `planes`.
    """
    space = protocol.space if space is None else space
    if space not in get_args(Space):
        raise ValueError(f"space is {space!r}; allowed: {', '.join(get_args(Space))}")
    sr, hr = output(sr, protocol), checked("hr", hr)
    if sr.shape[:2] != hr.shape[:2]:
        raise ValueError(
            f"sr is {_size(sr)} but hr is {_size(hr)}; allowed: equal sizes, with hr cropped at "
            f"the bottom and right to a multiple of the scale ({protocol.scale})"
        )
    if sr.ndim < hr.ndim:
        raise ValueError("sr is grey but hr has three channels; allowed: a grey sr for a grey hr")

    sr, hr = without_border(sr, protocol.border), without_border(hr, protocol.border)
    if space == "rgb":
        return as_rgb(sr), as_rgb(hr)
    if hr.ndim == 2 and protocol.grey == "stored" and sr.ndim == 3:
        return one_channel(sr, protocol.grey_output), _luma(hr, protocol)
    return _luma(sr, protocol), _luma(hr, protocol)


def output(sr: Output, protocol: Protocol) -> Output:
    """An output as the protocol takes it, grey ones as H x W: uint8, or float64 in 0..255.

    Raises:
        ValueError: another type or shape, or levels that are not finite.
    """
    if protocol.output == "uint8":
        return checked("sr", sr)
    sr = _shaped("sr", sr, (np.float32, np.float64))
    if not np.isfinite(sr).all():
        raise ValueError("sr holds levels that are not finite; allowed: 0 to 255")
    return np.clip(sr.astype(np.float64), 0, 255)


def _luma(image: Output, protocol: Protocol) -> Plane:
    if image.ndim == 2 and protocol.grey == "stored":
        return image.astype(np.float64)
    return one_channel(as_rgb(image), protocol.colour)


def one_channel(rgb: Output, name: str) -> Plane:
    """One channel of H x W x 3 by the name of a protocol's `colour` or `grey_output`."""
    if name == "opencv" and rgb.dtype == np.uint8:
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb)[..., 0].astype(np.float64)
    offset, weights, divisor = _CHANNEL[name]
    plane: Plane = np.asarray(cv2.transform(rgb.astype(np.float64), weights[None]), np.float64)
    return offset + plane / divisor


def bands(height: int, width: int) -> Iterator[slice]:
    """Rows of a map, so many at a time that they hold `BAND` values, of which a row has `width`."""
    step = max(1, BAND // width)
    for top in range(0, height, step):
        yield slice(top, top + step)


def without_border(image: Output, border: int) -> Output:
    """The image without so many pixels on each side.

    Raises:
        ValueError: nothing would be left.
    """
    height, width = image.shape[:2]
    if min(height, width) <= 2 * border:
        raise ValueError(
            f"the image is {_size(image)}; allowed: more than {2 * border} pixels a side, "
            f"since {border} are cut from each"
        )
    return image[border : height - border, border : width - border]


def check_side(plane: Output, least: int, purpose: str) -> None:
    """Refuse a plane that is too small for what is to be measured.

    Raises:
        ValueError: a side is below `least` pixels; the message calls the measure `purpose`.
    """
    if min(plane.shape[:2]) < least:
        raise ValueError(
            f"inside the border the image is {_size(plane)}; allowed for {purpose}: "
            f"at least {least} pixels a side"
        )


def checked(name: str, image: Image) -> Image:
    """A uint8 image, grey ones as H x W.

    Raises:
        ValueError: another type or shape; the message calls the image `name`.
    """
    return _shaped(name, image, (np.uint8,))


def _shaped(name: str, image: Output, types: tuple[type, ...]) -> Output:
    """The image itself, grey ones always as H x W."""
    if not isinstance(image, np.ndarray) or image.dtype not in types:
        found = getattr(image, "dtype", None)
        kind = type(image).__name__ + (f" of {found}" if found is not None else "")
        allowed = " or ".join(each.__name__ for each in types)
        raise ValueError(f"{name} is a {kind}; allowed: a NumPy array of {allowed}")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
        raise ValueError(f"{name} has shape {image.shape}; allowed: (H, W, 3), (H, W, 1) or (H, W)")
    return image


def _size(image: Output) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
