"""Pictures with words painted on, at the picture's own size; and pictures that show nothing.

Black letters with a white rim are read on any ground. They fill the lower part of the picture, so that what it shows
stays visible; only where that leaves no legible letters, as in 32 pixels, they take the whole of it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LEGIBLE = 9
"""Height of a line, in pixels, below which letters run into one another."""
SMALLEST = 6
LOWER = 0.45
"""Share of the height that words take, where they are legible in it."""
MARGIN = 0.04
"""Share of the width that stays free at either side."""
BLANKS = ("white", "black", "grey", "noise")
"""Pictures that show nothing."""


def painted(picture: Image.Image, words: str) -> Image.Image:
    """The picture with words on it; the largest letters that fit."""
    result = picture.convert("RGB")
    ink = ImageDraw.Draw(result)
    height, lines, whole = _fitting(ink, words, result.size)
    font, rim = _font(height), max(1, height // 10)
    step = height * 1.1
    top = (result.height - step * len(lines)) / 2 if whole else result.height * (1 - MARGIN) - step * len(lines)
    for number, line in enumerate(lines):
        x = (result.width - ink.textlength(line, font=font)) / 2
        ink.text((x, top + number * step), line, font=font, fill="black", stroke_width=rim, stroke_fill="white")
    result.format = picture.format
    return result


def letter_height(size: tuple[int, int], words: str) -> int:
    """Height of a line of these words on a picture of this size, in pixels."""
    return _fitting(ImageDraw.Draw(Image.new("RGB", size)), words, size)[0]


def blank(kind: str, size: tuple[int, int]) -> Image.Image:
    """A picture that shows nothing, of `BLANKS`."""
    if kind == "noise":
        pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        return Image.fromarray(pixels)
    return Image.new("RGB", size, kind)


def _fitting(ink: ImageDraw.ImageDraw, words: str, size: tuple[int, int]) -> tuple[int, list[str], bool]:
    """Height of a line, the lines, and whether they take the whole picture."""
    width, height = size
    for share, least in ((LOWER, LEGIBLE), (1.0, SMALLEST)):
        for line_height in range(int(height * share * 0.8), least - 1, -1):
            lines = _wrapped(ink, words, line_height, width * (1 - 2 * MARGIN))
            if lines and len(lines) * line_height * 1.1 <= height * share:
                return line_height, lines, share == 1.0
    return SMALLEST, _wrapped(ink, words, SMALLEST, float("inf")), True


def _wrapped(ink: ImageDraw.ImageDraw, words: str, height: int, width: float) -> list[str]:
    """Lines no wider than `width`; none, if a word alone is wider."""
    font, lines = _font(height), [""]
    for word in words.split():
        if ink.textlength(word, font=font) > width:
            return []
        longer = f"{lines[-1]} {word}".strip()
        if ink.textlength(longer, font=font) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _font(height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height)
