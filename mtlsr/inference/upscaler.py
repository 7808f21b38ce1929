"""A trained model as one call: image in, larger image of the same kind out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mtlsr.data.resize import bicubic_upscale, margin
from mtlsr.errors import UserError
from mtlsr.inference.device import find_device, find_precision
from mtlsr.inference.enlarger import Enlarger, Progress
from mtlsr.inference.upscale import to_tensor, to_uint8
from mtlsr.networks.base import Resolver
from mtlsr.networks.folder import load_model, model_folder

UInt8 = NDArray[np.uint8]

DEEP = ("I", "I;16", "I;16L", "I;16B", "I;16N", "F")
"""Pillow's modes of more than eight bits a channel."""

GREY = ("1", "L", "LA", "La")
"""Pillow's modes of one channel, with or without transparency."""

OWN_PROFILE = ("L", "LA", "P", "PA", "RGB", "RGBA")
"""Pillow's modes whose colours are enlarged as they are, so that a colour profile stays true."""

LUMA = (0.299, 0.587, 0.114)
"""Grey of an RGB output (BT.601, full range)."""

SLACK = 0.5 / 255
"""How far a float image may leave [0, 1]: half a level of its eight bits."""


class Upscaler:
    """Enlarges images by a trained model.

        from mtlsr import Upscaler
        from PIL import Image

        upscaler = Upscaler.from_pretrained("outputs/train/2026-01-31_12-00-00")
        upscaler(Image.open("photo.jpg")).save("large.png")    # upscaler.scale times larger

    Args:
        network: A network with its weights. It is moved to the device and set to evaluation.
        device: `auto` (a GPU where there is one), cpu, cuda, cuda:1, mps ...
        precision: `auto` (bfloat16 on a GPU that computes in it, else float32), float32 or
            bfloat16.
        self_ensemble: Whether the mean over the eight turns and mirrorings of an image is taken,
            which takes eight times as long.
        tile: Side of the tiles that an image is cut into, in low-resolution pixels; None: the image
            is enlarged at once; `auto`: at once where it fits the memory, else in tiles that do.
            What comes out is the same.

    Raises:
        UserError: A device that this machine lacks, an unknown precision, no side of tiles, or a
            network that cannot be cut into them.
    """

    def __init__(
        self,
        network: Resolver,
        device: str = "auto",
        precision: str = "auto",
        self_ensemble: bool = False,
        tile: int | str | None = "auto",
    ) -> None:
        self.device = find_device(device)
        self.precision = find_precision(precision, self.device)
        self._enlarger = Enlarger(network, self.device, self.precision, tile, self_ensemble)
        self.network = self._enlarger.network

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        device: str = "auto",
        precision: str = "auto",
        self_ensemble: bool = False,
        tile: int | str | None = "auto",
    ) -> Self:
        """Load the model of a run folder or of a model folder.

        Args:
            folder: What training left, or the `model` folder in it. Nothing is downloaded, and
                nothing in it is executed.
            device: See `Upscaler`.
            precision: See `Upscaler`.
            self_ensemble: See `Upscaler`.
            tile: See `Upscaler`.

        Raises:
            UserError: There is no model in the folder, it is damaged, or see `Upscaler`.
        """
        network = load_model(model_folder(folder))[0]
        return cls(network, device, precision, self_ensemble, tile)

    @property
    def scale(self) -> int:
        """How many times larger images become."""
        return self.network.scale

    @overload
    def __call__(self, image: Image.Image) -> Image.Image: ...
    @overload
    def __call__(self, image: UInt8) -> UInt8: ...
    @overload
    def __call__(self, image: Tensor) -> Tensor: ...
    def __call__(self, image: Any) -> Any:
        """Enlarge an image; what is returned is of the kind that was given.

        - Grey is repeated three times for the network, and its output becomes grey again by BT.601
          luma.
        - Transparency is enlarged bicubically by itself. The colours under it are enlarged as they
          are stored, not blended with a background.
        - Pillow images come back as L, LA, RGB or RGBA: black and white as L, palettes as RGB or
          RGBA, all other modes by Pillow's conversion to RGB. The colour profile is kept where the
          colours were not converted. Pixels are taken as they lie: a camera's orientation mark is
          applied beforehand, by `PIL.ImageOps.exif_transpose`.

        Args:
            image: A Pillow image of at most eight bits a channel; a NumPy uint8 array (h, w, 3) or
                grey (h, w); or a torch float tensor (N, 3, h, w) or grey (N, 1, h, w) in [0, 1].

        Returns:
            The same kind, `scale` times higher and wider. A tensor has the type and the device of
            the one given, and is clamped to [0, 1].

        Raises:
            UserError: Another kind, type, shape or range, or an image too large for the memory.
        """
        if isinstance(image, Image.Image):
            return self._pillow(image)
        if isinstance(image, np.ndarray):
            return self._array(image)
        if isinstance(image, Tensor):
            return self._tensor(image)
        raise UserError(
            f"The image is of type {type(image).__name__}: "
            "a Pillow image, a NumPy array or a torch tensor is needed."
        )

    def bands(self, image: Image.Image, progress: Progress | None = None) -> Iterator[Image.Image]:
        """Enlarge a Pillow image band by band, for pictures that are not to be in memory whole.

        Args:
            image: See `Upscaler.__call__`.
            progress: Called after every tile with how many have been looked at, and how many there
                are to look at.

        Returns:
            The enlarged picture from the top to the bottom in bands of its whole width, as many as
            it has rows of tiles; stacked, they are what the call gives.

        Raises:
            UserError: See `Upscaler.__call__`.
        """
        if image.mode in DEEP:
            raise UserError(
                f"The image's mode is {image.mode!r}: at most eight bits a channel are needed."
            )
        straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)  # colours are stored multiplied
        if straight:
            image = image.convert(straight)
        colours = np.asarray(image.convert("L" if image.mode in GREY else "RGB"))
        alpha = None
        if image.has_transparency_data:
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
        for rows, pixels in self._rows(colours, progress):
            band = Image.fromarray(pixels)
            if alpha is not None:
                band.putalpha(Image.fromarray(_upscaled_rows(alpha, rows, self.scale)))
            if image.mode in OWN_PROFILE and "icc_profile" in image.info:
                band.info["icc_profile"] = image.info["icc_profile"]
            yield band

    def _pillow(self, image: Image.Image) -> Image.Image:
        first, *others = self.bands(image)
        if not others:
            return first
        enlarged = Image.new(first.mode, (first.width, self.scale * image.height))
        enlarged.info |= first.info
        top = 0
        for band in (first, *others):
            enlarged.paste(band, (0, top))
            top += band.height
        return enlarged

    def _array(self, image: NDArray[Any]) -> UInt8:
        grey = image.ndim == 2
        if image.dtype != np.uint8 or not (grey or image.shape[2:] == (3,)) or 0 in image.shape:
            raise UserError(
                f"The image is {image.dtype} of shape {image.shape}: "
                "uint8 (h, w, 3) or (h, w) is needed."
            )
        bands = [pixels for _, pixels in self._rows(image, None)]
        return np.concatenate(bands) if len(bands) > 1 else bands[0]

    def _rows(self, image: UInt8, progress: Progress | None) -> Iterator[tuple[slice, UInt8]]:
        """uint8 (h, w, 3) or grey (h, w), row of tiles by row of tiles: which rows, and those."""
        grey = image.ndim == 2
        width = self.scale * image.shape[1]
        given = to_tensor(image[:, :, None] if grey else image).expand(-1, 3, -1, -1)
        for piece in self._enlarger.pieces(given, progress):
            if piece.columns.start == 0:
                band = np.empty((piece.rows.stop - piece.rows.start, width, 3), np.uint8)
                band = band[:, :, 0] if grey else band
            enlarged = piece.image.clamp(0, 1)
            pixels = to_uint8(_luma(enlarged) if grey else enlarged).numpy(force=True)
            band[:, piece.columns] = pixels[:, :, 0] if grey else pixels
            if piece.columns.stop == width:
                yield piece.rows, band

    def _tensor(self, image: Tensor) -> Tensor:
        right = image.ndim == 4 and image.shape[1] in (1, 3) and 0 not in image.shape
        if not right or not image.is_floating_point():
            raise UserError(
                f"The image is {image.dtype} of shape {tuple(image.shape)}: "
                "floats (N, 3, h, w) or (N, 1, h, w) are needed."
            )
        least, most = image.min().item(), image.max().item()
        if not -SLACK <= least <= most <= 1 + SLACK:  # false for NaN, too
            raise UserError(f"The image holds values from {least:g} to {most:g}: [0, 1] is needed.")
        return self._enlarge(image).to(image.device, image.dtype)

    def _enlarge(self, images: Tensor) -> Tensor:
        """Float (N, 1 or 3, h, w) -> float32 of as many channels in [0, 1], on the device."""
        enlarged = self._enlarger(images.expand(-1, 3, -1, -1)).clamp(0, 1)
        return _luma(enlarged) if images.shape[1] == 1 else enlarged


def _luma(image: Tensor) -> Tensor:
    """RGB (N, 3, h, w) -> grey (N, 1, h, w)."""
    weights = torch.tensor(LUMA, device=image.device).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True)


def _upscaled_rows(image: UInt8, rows: slice, scale: int) -> UInt8:
    """The rows of the bicubically enlarged image, made of those that they are made of."""
    reach = margin(scale) // scale
    start, stop = rows.start // scale, rows.stop // scale
    first = max(0, start - reach)
    enlarged = bicubic_upscale(image[first : stop + reach], scale)
    return enlarged[rows.start - scale * first : rows.stop - scale * first]
