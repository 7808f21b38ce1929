"""Pictures for people: LR | bicubic | ours | HR, and what both networks make of a photograph."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mtlsr.data.images import as_rgb, read_image, write_image
from mtlsr.data.interpolation import interpolate
from mtlsr.data.pairs import EvaluationPair
from mtlsr.inference.conversion import to_network, to_uint8
from mtlsr.inference.maps import edge_strength, structure_picture, texture_picture
from mtlsr.networks.base import SRNetwork

UInt8 = NDArray[np.uint8]

CAPTION = 22
"""Height of the caption in pixels."""


@torch.inference_mode()
def versions(model: SRNetwork, pair: EvaluationPair, device: torch.device) -> dict[str, UInt8]:
    """A photograph as LR (blown up), bicubic, ours and HR, each uint8 (H, W, 3), by name."""
    scale = model.scale
    sr = to_uint8(model.enlarged(to_network(pair.lr, device))).numpy(force=True)
    return {
        "LR": interpolate(pair.lr, scale, "nearest"),
        "bicubic": interpolate(pair.lr, scale, "bicubic"),
        "ours": sr,
        "HR": as_rgb(pair.hr),
    }


@torch.inference_mode()
def insights(
    model: SRNetwork, pair: EvaluationPair, device: torch.device, names: Sequence[str]
) -> dict[str, UInt8]:
    """The predicted structure and texture, and the realism vector as named bars, uint8, by name.

    None of them where the network has one task alone.
    """
    realism, restoration = model(to_network(pair.lr, device))
    if realism is None or restoration.structure is None or restoration.texture is None:
        return {}
    height, width = restoration.sr.shape[-2:]
    return {
        "structure": structure_picture(edge_strength(restoration.structure)),
        "texture": texture_picture(restoration.texture),
        "realism vector": _bars(realism.reading[0], names, height, width),
    }


def write_panel(
    path: Path, pictures: Mapping[str, UInt8], below: Mapping[str, str] | None = None
) -> None:
    """Write pictures of one height side by side, each with its name above it.

    Args:
        path: The file; its folder is made.
        pictures: uint8 (H, W, 3), by name.
        below: What stands below some of them, by name; None leaves no room for it.
    """
    height = next(iter(pictures.values())).shape[0]
    width = sum(picture.shape[1] for picture in pictures.values())
    rows = CAPTION * (1 if below is None else 2)
    sheet = Image.new("RGB", (width, height + rows), "white")
    draw = ImageDraw.Draw(sheet)
    left = 0
    for name, picture in pictures.items():
        _write(draw, name, left, 3, picture.shape[1])
        _write(draw, (below or {}).get(name, ""), left, CAPTION + height + 3, picture.shape[1])
        sheet.paste(Image.fromarray(picture), (left, CAPTION))
        left += picture.shape[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.asarray(sheet))


def read_panel(path: Path, count: int) -> list[UInt8]:
    """The pictures of a panel that `write_panel` wrote of so many of one width, without names.

    Raises:
        ImageError: The file is no image that can be read.
    """
    sheet = read_image(path)
    return np.split(sheet[CAPTION:], count, axis=1)


def _write(draw: ImageDraw.ImageDraw, text: str, left: int, top: int, width: int) -> None:
    """Write a line that is as wide as its picture at the most; the end of a name says most."""
    font = ImageFont.load_default(14)
    kept = text
    while kept and draw.textlength(kept, font) > width - 12:
        kept = f"…{kept.lstrip('…')[1:]}" if len(kept) > 1 else ""
    draw.text((left + 6, top), kept, fill="black", font=font)


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
