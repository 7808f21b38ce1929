"""A sheet of samples for a person to look at: what the network will see, and what was done."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mtlsr.data.interpolation import interpolate
from mtlsr.data.samples import Sample

UInt8 = NDArray[np.uint8]

LEAST_SIDE = 160
"""Pixels; smaller patches are blown up by a whole factor until they have as many."""

MARGIN = 24
"""Around the cards and between them, in pixels."""
GAP = 4
"""Between the pictures of a card."""
HEAD = 22
"""Height of the line above the pictures."""
ENTRY = (116, 30)
"""Width and height that a degradation's name, value and bar take at least."""

PAPER, INK, FAINT, BAR, TROUGH = "#ffffff", "#1b1f24", "#9aa4af", "#5b9bd5", "#e9edf1"


def contact_sheet(
    samples: Sequence[Sample], scale: int, names: Sequence[str], columns: int = 2
) -> UInt8:
    """Draw samples as cards: LR | clean LR | HR, and below the strength of every degradation.

    Low-resolution pixels are blown up to squares, so that nothing is shown that is not there. A
    degradation that is absent is grey.

    Args:
        samples: at least one, all of one patch size.
        scale: HR's side over LR's.
        names: what the entries of ``Sample.degradation`` are called, in their order.
        columns: how many cards lie side by side.

    Returns:
        uint8 ``(H, W, 3)``, RGB.

    Raises:
        ValueError: no samples, samples of several sizes, another number of names than of entries,
            or fewer than one column.
    """
    _check(samples, names, columns)
    cards = [_card(sample, scale, names, number) for number, sample in enumerate(samples)]
    width, height = cards[0].size
    columns = min(columns, len(cards))
    rows = -(-len(cards) // columns)
    sheet = Image.new(
        "RGB",
        (MARGIN + columns * (width + MARGIN), MARGIN + rows * (height + MARGIN)),
        PAPER,
    )
    for index, card in enumerate(cards):
        row, column = divmod(index, columns)
        corner = (MARGIN + column * (width + MARGIN), MARGIN + row * (height + MARGIN))
        sheet.paste(card, corner)
    return np.asarray(sheet)


def _card(sample: Sample, scale: int, names: Sequence[str], number: int) -> Image.Image:
    pictures = {
        "LR": interpolate(sample.lr, scale, "nearest"),
        "clean LR": interpolate(sample.lr_clean, scale, "nearest"),
    }
    if sample.hr is not None:
        pictures["HR"] = sample.hr
    side = next(iter(pictures.values())).shape[0]
    zoom = -(-LEAST_SIDE // side)
    side *= zoom

    width = len(pictures) * (side + GAP) - GAP
    per_row = max(1, min(len(names), (width + GAP) // (ENTRY[0] + GAP)))
    entry_rows = -(-len(names) // per_row)
    card = Image.new("RGB", (width, HEAD + side + GAP + entry_rows * ENTRY[1]), PAPER)
    draw = ImageDraw.Draw(card)
    for column, (title, picture) in enumerate(pictures.items()):
        left = column * (side + GAP)
        draw.text((left, 2), title, fill=INK, font=ImageFont.load_default(14))
        card.paste(Image.fromarray(interpolate(picture, zoom, "nearest")), (left, HEAD))
    draw.text((width, 2), f"#{number}", fill=FAINT, font=ImageFont.load_default(14), anchor="ra")

    step = (width + GAP) / per_row
    for index, (name, value) in enumerate(zip(names, sample.degradation.tolist(), strict=True)):
        row, column = divmod(index, per_row)
        corner = (round(column * step), HEAD + side + GAP + row * ENTRY[1])
        _entry(draw, corner, round(step) - 3 * GAP, name, value)
    return card


def _entry(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], width: int, name: str, value: float
) -> None:
    """A name, its strength as a number, and below both as a bar."""
    left, top = corner
    font = ImageFont.load_default(12)
    draw.text((left, top + 4), name, fill=INK if value else FAINT, font=font)
    number = f"{value:.2f}" if value else "-"
    draw.text((left + width, top + 4), number, fill=INK if value else FAINT, font=font, anchor="ra")
    bar = (left, top + 21, left + width, top + 24)
    draw.rectangle(bar, fill=TROUGH)
    if value:
        full = min(max(value, 0.0), 1.0) * width
        draw.rectangle((left, bar[1], left + max(1, round(full)), bar[3]), fill=BAR)


def _check(samples: Sequence[Sample], names: Sequence[str], columns: int) -> None:
    if not samples:
        raise ValueError("A contact sheet needs at least one sample.")
    if columns < 1:
        raise ValueError(f"columns is {columns}: at least 1 is needed.")
    kinds = {(sample.lr.shape, sample.hr is None) for sample in samples}
    if len(kinds) > 1:
        sizes = ", ".join(sorted({"x".join(map(str, shape[:2])) for shape, _ in kinds}))
        raise ValueError(
            f"The samples have patches of {sizes}: one size, all with HR or all without, is needed."
        )
    for sample in samples:
        if len(sample.degradation) != len(names):
            raise ValueError(
                f"There are {len(names)} names of degradations and {len(sample.degradation)} "
                "strengths: one for each is needed."
            )
