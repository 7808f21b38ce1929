"""Pictures for people: LR | bicubic | ours | HR, and what both networks make of a photograph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mtlsr.data.images import write_image
from mtlsr.data.pairs import EvaluationPair
from mtlsr.data.resize import bicubic_upscale
from mtlsr.inference.upscale import to_network, to_uint8
from mtlsr.networks.base import Resolver

UInt8 = NDArray[np.uint8]

CAPTION = 22
"""Height of the caption in pixels."""


@torch.inference_mode()
def versions(model: Resolver, pair: EvaluationPair, device: torch.device) -> dict[str, UInt8]:
    """A photograph as LR (blown up), bicubic, ours and HR, each uint8 (H, W, 3), by name."""
    scale = model.scale
    sr = to_uint8(model(to_network(pair.lr, device))[1].sr).numpy(force=True)
    hr = pair.hr if pair.hr.ndim == 3 else np.repeat(pair.hr[..., None], 3, axis=2)
    return {
        "LR": pair.lr.repeat(scale, axis=0).repeat(scale, axis=1),
        "bicubic": bicubic_upscale(pair.lr, scale),
        "ours": sr,
        "HR": hr,
    }


@torch.inference_mode()
def insights(
    model: Resolver, pair: EvaluationPair, device: torch.device, names: Sequence[str]
) -> dict[str, UInt8]:
    """The predicted structure and texture, and the realism vector as named bars, uint8, by name.

    None of them where the network has one task alone.

    Stage 2 reads the vector without teaching it, but trains the layers below it on: after it the
    bars are looser than when stage 1 ends.
    """
    realism, restoration = model(to_network(pair.lr, device))
    if realism is None or restoration.structure is None or restoration.texture is None:
        return {}
    strength = restoration.structure.float().square().sum(dim=1, keepdim=True).sqrt()
    structure = strength / strength.amax().clamp(min=1e-6)
    texture = 0.5 + 2 * restoration.texture.float()
    height, width = restoration.sr.shape[-2:]
    return {
        "structure": to_uint8(structure.expand(-1, 3, -1, -1)).numpy(force=True),
        "texture": to_uint8(texture).numpy(force=True),
        "realism vector": _bars(realism.vector[0], names, height, width),
    }


def write_panel(path: Path, pictures: dict[str, UInt8]) -> None:
    """Write pictures of one size side by side, each with its name above it."""
    height, width = next(iter(pictures.values())).shape[:2]
    sheet = Image.new("RGB", (width * len(pictures), height + CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (name, picture) in enumerate(pictures.items()):
        draw.text((column * width + 6, 3), name, fill="black", font=ImageFont.load_default(14))
        sheet.paste(Image.fromarray(picture), (column * width, CAPTION))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.asarray(sheet))


def _bars(vector: Tensor, names: Sequence[str], height: int, width: int) -> UInt8:
    """The realism vector as horizontal bars from 0 to 1."""
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    row = max(16, min(40, height // len(names)))
    for index, (name, value) in enumerate(zip(names, vector.tolist(), strict=True)):
        top = index * row
        full = int((width - 12) * min(max(value, 0.0), 1.0))
        draw.rectangle((6, top + 4, 6 + full, top + row - 4), fill="#8fb8de")
        draw.text((8, top + row // 2 - 8), f"{name} {value:.2f}", fill="black")
    return np.asarray(sheet)
