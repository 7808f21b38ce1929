"""A trained model as one call: image in, larger image of the same kind out."""

from pathlib import Path
from typing import Any, Self, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from mtlsr.data.resize import bicubic_upscale
from mtlsr.errors import UserError
from mtlsr.inference import ensemble
from mtlsr.inference.device import computing, find_device, find_precision, ready
from mtlsr.inference.upscale import to_network, to_uint8
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

    Raises:
        UserError: A device that this machine lacks, or an unknown precision.
    """

    def __init__(
        self,
        network: Resolver,
        device: str = "auto",
        precision: str = "auto",
        self_ensemble: bool = False,
    ) -> None:
        self.device = find_device(device)
        self.precision = find_precision(precision, self.device)
        self.network = ready(network, self.device)
        self._function = ensemble.self_ensemble(self._whole) if self_ensemble else self._whole

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        device: str = "auto",
        precision: str = "auto",
        self_ensemble: bool = False,
    ) -> Self:
        """Load the model of a run folder or of a model folder.

        Args:
            folder: What training left, or the `model` folder in it. Nothing is downloaded, and
                nothing in it is executed.
            device: See `Upscaler`.
            precision: See `Upscaler`.
            self_ensemble: See `Upscaler`.

        Raises:
            UserError: There is no model in the folder, it is damaged, or see `Upscaler`.
        """
        return cls(load_model(model_folder(folder))[0], device, precision, self_ensemble)

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

    def _pillow(self, image: Image.Image) -> Image.Image:
        if image.mode in DEEP:
            raise UserError(
                f"The image's mode is {image.mode!r}: at most eight bits a channel are needed."
            )
        straight = {"La": "LA", "RGBa": "RGBA"}.get(image.mode)  # colours are stored multiplied
        if straight:
            image = image.convert(straight)
        colours = image.convert("L" if image.mode in GREY else "RGB")
        enlarged = Image.fromarray(self._array(np.asarray(colours)))
        if image.has_transparency_data:
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
            enlarged.putalpha(Image.fromarray(bicubic_upscale(alpha, self.scale)))
        if image.mode in OWN_PROFILE and "icc_profile" in image.info:
            enlarged.info["icc_profile"] = image.info["icc_profile"]
        return enlarged

    def _array(self, image: NDArray[Any]) -> UInt8:
        grey = image.ndim == 2
        if image.dtype != np.uint8 or not (grey or image.shape[2:] == (3,)) or 0 in image.shape:
            raise UserError(
                f"The image is {image.dtype} of shape {image.shape}: "
                "uint8 (h, w, 3) or (h, w) is needed."
            )
        pixels = to_network(image[:, :, None] if grey else image, self.device)
        enlarged: UInt8 = to_uint8(self._enlarge(pixels)).numpy(force=True)
        return enlarged[:, :, 0] if grey else enlarged

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
        grey = images.shape[1] == 1
        given = images.to(self.device, torch.float32).expand(-1, 3, -1, -1)
        try:
            with computing(self.device, self.precision):
                given = given.contiguous(memory_format=torch.channels_last)
                enlarged = self._function(given).float().clamp(0, 1)
        except RuntimeError as error:
            if "memory" not in str(error):  # the word of both CUDA's and the CPU's allocator
                raise
            size = "x".join(map(str, images.shape[2:]))
            raise UserError(
                f"The image of {size} pixels is too large for the memory of {self.device}."
            ) from error
        if grey:
            weights = torch.tensor(LUMA, device=self.device).view(1, 3, 1, 1)
            enlarged = (enlarged * weights).sum(dim=1, keepdim=True)
        return enlarged

    def _whole(self, lr: Tensor) -> Tensor:
        return self.network(lr)[1].sr
