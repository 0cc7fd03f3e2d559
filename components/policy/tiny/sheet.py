"""A labelled sheet of small pictures, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw


def contact_sheet(
    pictures: Sequence[Image.Image], labels: Sequence[str], *, columns: int = 12, zoom: int = 4
) -> Image.Image:
    """Pictures enlarged `zoom` times without smoothing, each with its label below."""
    side = pictures[0].width * zoom
    cell = side + 14
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (side + 4), rows * cell), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        left, top = index % columns * (side + 4), index // columns * cell
        sheet.paste(picture.resize((side, side), Image.Resampling.NEAREST), (left, top))
        pen.text((left + 2, top + side), label, fill="black")
    return sheet
