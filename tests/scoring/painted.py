"""Pictures with painted words, and pictures without."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from components.policy.tiny.animals import gallery
from tests.scoring.shards import noise

CLEAN = ("bike", "riding", "turtles", "animals", "chess", "raccoon", "hello", "world")
GARBLED = ("sixx", "ttutttas", "rkzvee", "gdsuoard", "nxkwq", "oigea", "wamnqo", "xrgtir")
FACES = (None, "DejaVuSans.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSans-Bold.ttf")
FONTS = Path(matplotlib.get_data_path()) / "fonts/ttf"


@dataclass(frozen=True)
class Painted:
    """A picture, and the pixels (left, top, right, bottom) of the word in it."""

    picture: Image.Image
    word: tuple[int, int, int, int]


def paint(word: str, side: int, seed: int) -> Painted:
    """A word of some face, size, colour and place, on a flat, graded or drawn background; it has room for it."""
    rng = np.random.default_rng([seed, side])
    background = (flat, graded, drawn)[seed % 3](rng, side)
    canvas = ImageDraw.Draw(background)
    height = round(side * rng.uniform(0.1, 0.25)) if side > 64 else int(rng.integers(12, 16))
    while True:
        face = FACES[seed % len(FACES)]
        font = ImageFont.truetype(str(FONTS / face), height) if face else ImageFont.load_default(height)
        left, top, right, bottom = canvas.textbbox((0, 0), word, font=font)
        if right - left < side - 6:
            break
        height -= 1
    x, y = rng.integers(3, side - (right - left) - 2) - left, rng.integers(3, side - (bottom - top) - 2) - top
    place = (int(x + left), int(y + top), int(x + right), int(y + bottom))
    canvas.text((int(x), int(y)), word, font=font, fill=_apart(rng, background.crop(place)))
    return Painted(background, place)


def _apart(rng: np.random.Generator, background: Image.Image) -> tuple[int, int, int]:
    """A colour that stands out in brightness by 80 of 255."""
    behind = np.asarray(background.convert("L")).mean()
    while True:
        red, green, blue = (int(c) for c in rng.integers(0, 256, 3))
        if abs(0.299 * red + 0.587 * green + 0.114 * blue - behind) > 80:
            return red, green, blue


def flat(rng: np.random.Generator, side: int) -> Image.Image:
    return Image.new("RGB", (side, side), tuple(int(c) for c in rng.integers(0, 256, 3)))


def graded(rng: np.random.Generator, side: int) -> Image.Image:
    one, other = rng.integers(0, 256, (2, 3))
    t = np.linspace(0, 1, side)[:, None, None] * np.ones((1, side, 1))
    return Image.fromarray((one * (1 - t) + other * t).astype(np.uint8))


def drawn(rng: np.random.Generator, side: int) -> Image.Image:
    """A drawing of the tiny base's world."""
    pictures, _ = gallery(1, int(rng.integers(2**31)))
    smoothing = (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)[int(rng.integers(2))]
    return Image.fromarray(pictures[0]).resize((side, side), smoothing)


def chessboard(rng: np.random.Generator, side: int) -> Image.Image:
    y, x = np.indices((side, side)) // max(1, side // int(rng.integers(2, 17)))
    one, other = rng.integers(0, 256, (2, 3))
    return Image.fromarray(np.where(((x + y) % 2)[..., None], one, other).astype(np.uint8))


def stripes(rng: np.random.Generator, side: int) -> Image.Image:
    y, x = np.indices((side, side))
    angle, period = rng.uniform(0, np.pi), rng.uniform(3, side / 3)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period) > 0
    one, other = rng.integers(0, 256, (2, 3))
    return Image.fromarray(np.where(wave[..., None], one, other).astype(np.uint8))


def dots(rng: np.random.Generator, side: int) -> Image.Image:
    """Discs or rings on a grid."""
    picture = flat(rng, side)
    canvas, colour = ImageDraw.Draw(picture), tuple(int(c) for c in rng.integers(0, 256, 3))
    step = side // int(rng.integers(4, 12))
    radius, ring = step * rng.uniform(0.15, 0.4), rng.random() < 0.5
    for x in range(step // 2, side, step):
        for y in range(step // 2, side, step):
            box = (x - radius, y - radius, x + radius, y + radius)
            canvas.ellipse(box, fill=None if ring else colour, outline=colour, width=max(1, round(radius / 3)))
    return picture


def clouds(rng: np.random.Generator, side: int) -> Image.Image:
    """Noise of ever finer grain."""
    total = np.zeros((side, side, 3))
    for grain in (4, 8, 16, 32, 64):
        coarse = Image.fromarray(rng.integers(0, 256, (grain, grain, 3), dtype=np.uint8))
        total += np.asarray(coarse.resize((side, side), Image.Resampling.BICUBIC), dtype=float) / grain
    return Image.fromarray((255 * (total - total.min()) / np.ptp(total)).astype(np.uint8))


def speckled(rng: np.random.Generator, side: int) -> Image.Image:
    """Noise of one grain between a pixel and an eighth of the picture."""
    grain = int(rng.choice([1, 2, 4, 8]))
    return noise(int(rng.integers(2**31)), side // grain).resize((side, side), Image.Resampling.NEAREST)


PLAIN: dict[str, Callable[[np.random.Generator, int], Image.Image]] = {
    "gradients": graded,
    "drawings": drawn,
    "chessboards": chessboard,
    "stripes": stripes,
    "dots": dots,
    "clouds": clouds,
    "noise": speckled,
}
