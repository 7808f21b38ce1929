"""What the page shows of an enlarged picture, as files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mtlsr.data.decoding import Levels, eight_bits
from mtlsr.data.images import read_header
from mtlsr.data.resize import bicubic_upscale
from mtlsr.errors import UserError
from mtlsr.inference.maps import structure_picture
from mtlsr.inference.pictures.picture import read_picture
from mtlsr.inference.pictures.writing import write_picture
from mtlsr.inference.upscaler import Upscaler


@dataclass(frozen=True)
class Shown:
    """What a picture becomes on the page; files, but for the words."""

    before: Path
    """Enlarged bicubically."""
    after: Path
    """Enlarged by the network, of eight bits."""
    download: Path
    """The same as `predict` would write it."""
    realism: str
    """Bars in HTML: what the network believes is wrong with the picture."""
    structure: Path | None
    texture: Path | None


def enlarge(
    upscaler: Upscaler,
    source: Path,
    folder: Path,
    pixels: int,
    passed: Callable[[int, int], None] = lambda done, total: None,
) -> Shown:
    """Enlarge a file and write everything that is shown of it.

    Args:
        upscaler: Enlarges.
        source: The file.
        folder: Where to.
        pixels: Of the picture, at the most.
        passed: See `Upscaler.bands`.

    Raises:
        UserError: It is too large, or it cannot be read.
    """
    header = read_header(source)
    if header.height * header.width > pixels:
        raise UserError(
            f"{source.name}: it has {header.width}x{header.height} pixels, and this page takes "
            f"{pixels} at the most; mtlsr-predict takes larger ones."
        )
    picture = read_picture(source)
    bands = list(upscaler.bands(picture.pixels, passed, maps=True))
    large = np.concatenate([band.pixels for band in bands])
    before = bicubic_upscale(eight_bits(picture.pixels), upscaler.scale)

    def file(name: str, pixels: Levels) -> Path:
        path = folder / f"{name}.png"
        write_picture(path, (pixels.shape[1], pixels.shape[0]), [pixels])
        return path

    download = folder / f"{source.stem}_x{upscaler.scale}.png"
    size = (large.shape[1], large.shape[0])
    write_picture(download, size, [large], picture.notes)
    edges = [band.structure for band in bands if band.structure is not None]
    detail = [band.texture for band in bands if band.texture is not None]
    return Shown(
        file("before", before),
        file("after", eight_bits(large)),
        download,
        bars(bands[0].realism),
        file("structure", structure_picture(np.concatenate(edges))) if edges else None,
        file("texture", np.concatenate(detail)) if detail else None,
    )


def bars(realism: Mapping[str, float] | None) -> str:
    """The realism vector as bars in HTML."""
    if realism is None:
        return "<p>This network has no stage 1 that says what is wrong with a picture.</p>"
    rows = "".join(
        f"<tr><td>{name}</td><td style='width:60%'><div style='height:0.8em;"
        f"background:currentColor;width:{100 * value:.0f}%'></div></td><td>{value:.2f}</td></tr>"
        for name, value in realism.items()
    )
    head = "What the network believes is wrong with the picture, 0 to 1:"
    return f"<p>{head}</p><table style='width:100%' class='realism'>{rows}</table>"
