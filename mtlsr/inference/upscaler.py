"""A trained model as one call: image in, larger image of the same kind out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mtlsr.data.decoding import DEEP_GREY, OWN_PROFILE, Levels, parts
from mtlsr.data.resize import bicubic_upscale, margin, resize
from mtlsr.errors import UserError
from mtlsr.inference.conversion import to_tensor
from mtlsr.inference.device import find_device, find_precision
from mtlsr.inference.enlarger import Enlarger, Progress
from mtlsr.inference.maps import Float32, UInt8, edge_strength, texture_picture
from mtlsr.inference.realism import strengths
from mtlsr.networks.base import SRNetwork
from mtlsr.networks.folder import load_model, model_folder

T = TypeVar("T", np.uint8, np.uint16)

LUMA = (0.299, 0.587, 0.114)
"""Grey of an RGB output (BT.601, full range)."""

SLACK = 0.5 / 255
"""How far a float image may leave [0, 1]: half a level of its eight bits."""


@dataclass(frozen=True)
class Band:
    """Some rows of an enlarged picture, of its whole width."""

    pixels: Levels
    """(rows, s·w[, channels]), of the type and the channels that were given."""
    realism: dict[str, float] | None
    """What stage 1 says of the whole picture: the entries of the realism vector by name, from 0 to
    1; None where the network has no stage 1."""
    structure: Float32 | None = None
    """Strength of the edges that stage 2 predicts, (rows, s·w), where it is wanted."""
    texture: UInt8 | None = None
    """Picture of the detail that stage 2 predicts, (rows, s·w, 3), where it is wanted."""


class Upscaler:
    """Enlarges images by a trained model.

    What is given comes back larger, and of the same kind. Here `run` is a run folder, model folder
    or a bundled model's name, and its model enlarges by two:

        >>> import numpy, torch
        >>> from PIL import Image
        >>> from mtlsr import Upscaler
        >>> upscaler = Upscaler.from_pretrained(run)
        >>> upscaler.scale
        2
        >>> upscaler(Image.new("RGB", (60, 40))).size
        (120, 80)
        >>> upscaler(numpy.zeros((40, 60, 4), numpy.uint16)).shape
        (80, 120, 4)
        >>> tuple(upscaler(torch.rand(1, 3, 40, 60)).shape)
        (1, 3, 80, 120)

    A picture that is not to be in memory whole comes band by band, with what stage 1 says of it:

        >>> for band in upscaler.bands(numpy.zeros((40, 60, 3), numpy.uint8)):
        ...     print(band.pixels.shape, list(band.realism))
        (80, 120, 3) ['blur', 'anisotropy', 'noise', 'jpeg', 'resampling']

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
        network: SRNetwork,
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
        """Load the model of a run folder or of a model folder, or one that comes with the package.

        Args:
            folder: What training left, the `model` folder in it, or a bundled model's name. Nothing
                is downloaded, and nothing in it is executed.
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
    def __call__(self, image: NDArray[T]) -> NDArray[T]: ...
    @overload
    def __call__(self, image: Tensor) -> Tensor: ...
    def __call__(self, image: Any) -> Any:
        """Enlarge an image; what is returned is of the kind that was given.

        - Grey is repeated three times for the network, and its output becomes grey again by BT.601
          luma.
        - Transparency is enlarged bicubically by itself. The colours under it are enlarged as they
          are stored, not blended with a background.
        - Pillow images come back as L, LA, RGB, RGBA or I;16 (grey of sixteen bits): black and
          white as L, palettes as RGB or RGBA, all other modes by Pillow's conversion to RGB. The
          colour profile is kept where the colours were not converted. Pillow has no transparency of
          sixteen bits: a level of I;16 that is marked as transparent comes back as it looks. Pixels
          are taken as they lie: a camera's orientation mark is applied beforehand, by
          `PIL.ImageOps.exif_transpose`.

        Args:
            image: A Pillow image; a NumPy array of uint8 or uint16, (h, w, 3) of RGB or grey
                (h, w), with transparency as a last channel (h, w, 4) or (h, w, 2); or a torch float
                tensor (N, 3, h, w) or grey (N, 1, h, w) in [0, 1].

        Returns:
            The same kind, `scale` times higher and wider. A tensor has the type and the device of
            the one given, and is clamped to [0, 1].

        Raises:
            UserError: Another kind, type, shape or range, or an image too large for the memory.
        """
        if isinstance(image, Image.Image):
            return self._pillow(image)
        if isinstance(image, np.ndarray):
            return _stacked(self.bands(image))
        if isinstance(image, Tensor):
            return self._tensor(image)
        raise UserError(
            f"The image is of type {type(image).__name__}: "
            "a Pillow image, a NumPy array or a torch tensor is needed."
        )

    def bands(
        self, image: Levels, progress: Progress | None = None, maps: bool = False
    ) -> Iterator[Band]:
        """Enlarge a picture band by band, for those that are not to be in memory whole.

        Args:
            image: A NumPy array; see `Upscaler.__call__`.
            progress: Called after every tile with how many have been looked at, and how many there
                are to look at.
            maps: Whether structure and texture are wanted, too, of networks that predict them.

        Returns:
            The enlarged picture from the top to the bottom, in as many bands as it has rows of
            tiles; stacked, they are what the call gives.

        Raises:
            UserError: See `Upscaler.__call__`.
        """
        channels = image.shape[2] if image.ndim == 3 else 1
        if (
            image.dtype not in (np.uint8, np.uint16)
            or image.ndim not in (2, 3)
            or (image.ndim == 3 and channels not in (2, 3, 4))
            or 0 in image.shape
        ):
            raise UserError(
                f"The image is {image.dtype} of shape {image.shape}: uint8 or uint16, "
                "(h, w, 3) or (h, w), or with transparency (h, w, 4) or (h, w, 2), is needed."
            )
        return self._bands(image, progress, maps)

    def _bands(self, stored: Levels, progress: Progress | None, maps: bool) -> Iterator[Band]:
        image = stored if stored.ndim == 3 else stored[:, :, None]
        alpha = image[:, :, -1] if image.shape[2] in (2, 4) else None
        colours = image if alpha is None else image[:, :, :-1]
        most = np.iinfo(image.dtype).max
        if most > 255:
            colours = colours.astype(np.float32)
            colours /= most
        given = to_tensor(colours)
        width = self.scale * image.shape[1]
        for piece in self._enlarger.pieces(given.expand(-1, 3, -1, -1), progress, maps):
            rows, columns, seen = piece.rows, piece.columns, piece.seen
            if columns.start == 0:
                size = rows.stop - rows.start, width
                band = Band(
                    np.empty((*size, *stored.shape[2:]), image.dtype),
                    None if seen.vector is None else strengths(seen.vector[0]),
                    None if seen.structure is None else np.empty(size, np.float32),
                    None if seen.texture is None else np.empty((*size, 3), np.uint8),
                )
                pixels = band.pixels.reshape(*size, -1)
                if alpha is not None:
                    pixels[:, :, -1] = _upscaled_rows(alpha, rows, self.scale)
            enlarged = piece.image.clamp(0, 1)
            enlarged = enlarged if colours.shape[2] == 3 else _luma(enlarged)
            levels = enlarged.mul_(most).add_(0.5).floor_()[0].permute(1, 2, 0)
            pixels[:, columns, : colours.shape[2]] = levels.numpy(force=True)
            if band.structure is not None and seen.structure is not None:
                band.structure[:, columns] = edge_strength(seen.structure)
            if band.texture is not None and seen.texture is not None:
                band.texture[:, columns] = texture_picture(seen.texture)
            if columns.stop == width:
                yield band

    def _pillow(self, image: Image.Image) -> Image.Image:
        if image.mode in ("I", "F"):
            raise UserError(
                f"The image's mode is {image.mode!r}: at most sixteen bits a channel are needed."
            )
        if image.mode in DEEP_GREY:
            pixels: Levels = np.asarray(image).astype(np.uint16)
        else:
            colours, alpha = parts(image)
            pixels = colours if alpha is None else np.dstack([colours, alpha])
        enlarged = Image.fromarray(_stacked(self.bands(pixels)))
        if image.mode in OWN_PROFILE and "icc_profile" in image.info:
            enlarged.info["icc_profile"] = image.info["icc_profile"]
        return enlarged

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


def _stacked(bands: Iterator[Band]) -> Levels:
    first, *others = (band.pixels for band in bands)
    return np.concatenate([first, *others]) if others else first


def _upscaled_rows(image: Levels, rows: slice, scale: int) -> Levels:
    """The rows of the bicubically enlarged image, made of those that they are made of."""
    reach = margin(scale) // scale
    start, stop = rows.start // scale, rows.stop // scale
    first = max(0, start - reach)
    part = image[first : stop + reach]
    if part.dtype == np.uint8:
        enlarged: Levels = bicubic_upscale(part, scale)
    else:
        floats = torch.from_numpy(part.astype(np.float64))[None, None]
        size = (scale * part.shape[0], scale * part.shape[1])
        levels = resize(floats, size)[0, 0].numpy() + 0.5
        enlarged = levels.clip(0, 65535).astype(np.uint16)
    return enlarged[rows.start - scale * first : rows.stop - scale * first]
