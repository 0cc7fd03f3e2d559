"""The fixed panel: the same prompts and noise at every evaluation, base above candidate.

Byte-stable: the same pictures give the same PNG (no times in it). What the safety probe flags is blurred beyond
recognition, in the base's row too.
"""

from __future__ import annotations

import io
from textwrap import shorten

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from components.evaluation.tables import Key, ScoredPolicy

SMALL, LARGE = 128, 256
"""Sides in pixels: pictures below 64 px are drawn four times as large, others fitted in between these two."""
BLUR = 6
"""A flagged picture is blurred with a radius of its width over this: what is left is its colours."""
GAP, LABEL, MARGIN = 6, 20, 84
BACKGROUND, INK, FAINT = (255, 255, 255), (30, 30, 30), (110, 110, 110)


def draw(base: ScoredPolicy, candidate: ScoredPolicy, *, policy: int, columns: int) -> bytes:
    """PNG with two rows a split: its first `columns` prompts, each with its first seed."""
    side = cell_side(open_picture(base, next(iter(base.samples))).width)
    splits = {split: first_of_each_prompt(base, split)[:columns] for split in base.splits}
    block = LABEL + 2 * (side + GAP) + LABEL
    width = MARGIN + max(map(len, splits.values())) * (side + GAP) + GAP
    sheet = Image.new("RGB", (width, len(splits) * block + GAP), BACKGROUND)
    ink = ImageDraw.Draw(sheet)
    for number, (split, keys) in enumerate(splits.items()):
        top = number * block + GAP
        ink.text((GAP, top), split.replace("_", " "), INK, font=_font(15))
        for row, (name, source) in enumerate((("base", base), (f"policy {policy}", candidate))):
            y = top + LABEL + row * (side + GAP)
            ink.text((GAP, y + side // 2), name, FAINT, font=_font(13), anchor="lm")
            for column, key in enumerate(keys):
                sheet.paste(fitted(open_picture(source, key), side), (MARGIN + column * (side + GAP), y))
        for column, key in enumerate(keys):
            middle = MARGIN + column * (side + GAP) + side // 2
            caption = shorten(base.samples[key].text, side // 7, placeholder="…")
            ink.text((middle, top + LABEL + 2 * (side + GAP)), caption, FAINT, font=_font(12), anchor="ma")
    return _png(sheet)


def first_of_each_prompt(policy: ScoredPolicy, split: str) -> list[Key]:
    """The lowest index of each prompt of a split, prompts in drawing order."""
    first: dict[str, Key] = {}
    for key in policy.keys_of(split):
        first[key[0]] = min(key, first.get(key[0], key))
    return list(first.values())


def open_picture(policy: ScoredPolicy, key: Key) -> Image.Image:
    """One picture as people may see it: blurred where it is flagged as unfit to show."""
    picture = policy.picture(key)
    return picture.filter(ImageFilter.GaussianBlur(picture.width / BLUR)) if policy.flagged(key) else picture


def cell_side(side: int) -> int:
    """Side at which a picture of this side is shown.

    >>> [cell_side(side) for side in (32, 64, 200, 512)]
    [128, 256, 200, 256]
    """
    return min(side * 4, LARGE) if side <= LARGE // 4 else max(SMALL, min(side, LARGE))


def fitted(picture: Image.Image, side: int) -> Image.Image:
    """A picture at another side: smooth upwards, sharp downwards."""
    kind = Image.Resampling.BICUBIC if picture.width < side else Image.Resampling.LANCZOS
    return picture.resize((side, side * picture.height // picture.width), kind)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)  # Pillow's own, so that the panel does not depend on the machine's fonts


def _png(sheet: Image.Image) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
