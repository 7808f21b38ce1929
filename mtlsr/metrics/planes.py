"""From a pair of uint8 images to the two float64 planes that PSNR and SSIM compare."""

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mtlsr.metrics.protocol import Protocol

Image = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float64]
Space = Literal["y", "rgb"]

# One channel from RGB: offset + (R, G, B) . weights / divisor. Whole weights make the weighted sum
# exact, so a value depends on no order of summation, and R = G = B = v gives exactly v where the
# weights add up to the divisor.
_BT601 = np.array([65481.0, 128553.0, 24966.0])
_CHANNEL = {
    "bt601-studio": (16.0, _BT601, 255_000.0),
    "bt601-full": (0.0, _BT601, 219_000.0),
    "mean": (0.0, np.ones(3), 3.0),
}


def luma(image: Image, protocol: Protocol) -> Plane:
    """The Y channel of an image, never rounded.

        Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255        R, G, B in 0..255, Y in 16..235

    (ITU-R BT.601, as MATLAB's `rgb2ycbcr`). A grey image is returned as stored, 0..255, if
    `protocol.grey` is "stored"; otherwise it is taken as R = G = B first.

    Args:
        image: uint8, H x W x 3 or grey (H x W or H x W x 1).
        protocol: gives `grey` and `colour`.

    Returns:
        float64, H x W.

    Raises:
        ValueError: the image has another type or shape.
    """
    image = _checked("image", image)
    if image.ndim == 2 and protocol.grey == "stored":
        return image.astype(np.float64)
    return _one_channel(_as_rgb(image), protocol.colour)


def planes(sr: Image, hr: Image, protocol: Protocol, space: Space = "y") -> tuple[Plane, Plane]:
    """Check a pair, cut the border and take both images to the space in which they are compared.

    A grey HR image scored as stored meets one channel of an RGB output, `protocol.grey_output`:
    by default the same BT.601 weights, stretched to 0..255 and not rounded. In the space "rgb" a
    grey image is R = G = B whatever the protocol says.

    Args:
        sr: output, uint8, H x W x 3; also grey (H x W or H x W x 1) if `hr` is.
        hr: ground truth of the same size, uint8, H x W x 3 or grey.
        protocol: gives `border`, `grey`, `colour` and `grey_output`.
        space: "y" for one channel, "rgb" for three.

    Returns:
        float64 planes of `sr` and `hr` without the border: H' x W' for "y", H' x W' x 3 for "rgb".

    Raises:
        ValueError: a type, shape, size or space is not allowed.
    """
    if space not in get_args(Space):
        raise ValueError(f"space is {space!r}; allowed: {', '.join(get_args(Space))}")
    sr, hr = _checked("sr", sr), _checked("hr", hr)
    if sr.shape[:2] != hr.shape[:2]:
        raise ValueError(
            f"sr is {_size(sr)} but hr is {_size(hr)}; allowed: equal sizes, with hr cropped at "
            f"the bottom and right to a multiple of the scale ({protocol.scale})"
        )
    if sr.ndim < hr.ndim:
        raise ValueError("sr is grey but hr has three channels; allowed: a grey sr for a grey hr")

    sr, hr = _without_border(sr, protocol.border), _without_border(hr, protocol.border)
    if space == "rgb":
        return _as_rgb(sr).astype(np.float64), _as_rgb(hr).astype(np.float64)
    if hr.ndim == 2 and protocol.grey == "stored" and sr.ndim == 3:
        return _one_channel(sr, protocol.grey_output), luma(hr, protocol)
    return luma(sr, protocol), luma(hr, protocol)


def _one_channel(rgb: Image, name: str) -> Plane:
    offset, weights, divisor = _CHANNEL[name]
    plane: Plane = offset + (rgb.astype(np.float64) @ weights) / divisor
    return plane


def _as_rgb(image: Image) -> Image:
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def _without_border(image: Image, border: int) -> Image:
    height, width = image.shape[:2]
    if min(height, width) <= 2 * border:
        raise ValueError(
            f"the image is {_size(image)}; allowed: more than {2 * border} pixels a side, "
            f"since {border} are cut from each"
        )
    return image[border : height - border, border : width - border]


def _checked(name: str, image: Image) -> Image:
    """The image itself, grey ones always as H x W."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        found = getattr(image, "dtype", None)
        kind = type(image).__name__ + (f" of {found}" if found is not None else "")
        raise ValueError(f"{name} is a {kind}; allowed: a NumPy array of uint8")
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim != 2 and (image.ndim != 3 or image.shape[2] != 3):
        raise ValueError(f"{name} has shape {image.shape}; allowed: (H, W, 3), (H, W, 1) or (H, W)")
    return image


def _size(image: Image) -> str:
    return f"{image.shape[0]} x {image.shape[1]}"
