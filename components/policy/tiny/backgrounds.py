"""Backgrounds in mid tones with a quiet texture: they move the JPEG size, and leave the animal readable."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from components.policy.tiny.drawing import FINE, SIDE, Colour, shade

LAND = (
    (150, 204, 244), (176, 220, 150), (240, 208, 150), (244, 186, 190), (200, 186, 236), (160, 222, 206),
    (226, 196, 170),
)  # fmt: skip
GROUND = ((112, 188, 84), (206, 166, 112), (188, 132, 108), (150, 160, 180))
WATER = ((120, 190, 236), (96, 170, 220), (110, 200, 210))
TEXTURES = ("flat", "flat", "dots", "grass", "stripes", "clouds", "checks")
SIZE = SIDE * FINE


def paint(rng: np.random.Generator, water: bool) -> Image.Image:
    """A fine picture (128x128) of a wall or water, perhaps with ground below, and one texture."""
    wall = _vary(rng, WATER[rng.integers(len(WATER))] if water else LAND[rng.integers(len(LAND))])
    picture = Image.new("RGB", (SIZE, SIZE), wall)
    draw = ImageDraw.Draw(picture)
    horizon = SIZE
    if not water and rng.random() < 0.6:
        horizon = int(rng.uniform(22, 27) * FINE)
        draw.rectangle((0, horizon, SIZE, SIZE), fill=_vary(rng, GROUND[rng.integers(len(GROUND))]))
    texture = TEXTURES[rng.integers(len(TEXTURES))]
    _TEXTURE[texture](rng, draw, wall, horizon)
    return picture


def _vary(rng: np.random.Generator, colour: Colour) -> Colour:
    return tuple(int(np.clip(c + rng.integers(-12, 13), 0, 255)) for c in colour)  # type: ignore[return-value]


def _flat(rng: np.random.Generator, draw: ImageDraw.ImageDraw, wall: Colour, horizon: int) -> None:
    """Nothing: the smallest JPEG."""


def _dots(rng: np.random.Generator, draw: ImageDraw.ImageDraw, wall: Colour, horizon: int) -> None:
    tones = (shade(wall, 0.84), shade(wall, 1.14))
    for index, (x, y) in enumerate(rng.uniform(0, SIZE, (34, 2))):
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=tones[index % 2])


def _grass(rng: np.random.Generator, draw: ImageDraw.ImageDraw, wall: Colour, horizon: int) -> None:
    green = _vary(rng, (104, 172, 84))
    for x, y in zip(rng.uniform(0, SIZE, 46), rng.uniform(20 * FINE, SIZE, 46), strict=True):
        lean = rng.uniform(-6, 6)
        draw.line((x, y, x + lean, y - 16), fill=shade(green, rng.uniform(0.8, 1.2)), width=4)


def _stripes(rng: np.random.Generator, draw: ImageDraw.ImageDraw, wall: Colour, horizon: int) -> None:
    width = int(rng.integers(2, 5)) * FINE
    for start in range(int(rng.integers(width)), SIZE, 2 * width):
        draw.rectangle((start, 0, start + width - 1, horizon), fill=shade(wall, 0.9))


def _clouds(rng: np.random.Generator, draw: ImageDraw.ImageDraw, wall: Colour, horizon: int) -> None:
    for _ in range(3):
        x, y = rng.uniform(0, SIZE), rng.uniform(0, 14 * FINE)
        for dx, radius in ((-14, 9), (0, 13), (14, 9)):
            draw.ellipse((x + dx - radius, y - radius, x + dx + radius, y + radius * 0.7), fill=shade(wall, 1.16))


def _checks(rng: np.random.Generator, draw: ImageDraw.ImageDraw, wall: Colour, horizon: int) -> None:
    width = int(rng.integers(3, 6)) * FINE
    tone = shade(wall, 0.91)
    for row, y in enumerate(range(0, horizon, width)):
        for x in range((row % 2) * width, SIZE, 2 * width):
            draw.rectangle((x, y, x + width - 1, min(y + width - 1, horizon)), fill=tone)


_TEXTURE = {"flat": _flat, "dots": _dots, "grass": _grass, "stripes": _stripes, "clouds": _clouds, "checks": _checks}
