"""Ways for pictures to go to ruin, made on purpose from the base's own: what the guard must see, and by what name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

WORDS = ("SIXX", "TTUT", "TAS", "HORRS", "CAAT", "REWRD")
"""Garbled, as a policy paints them."""


Ruin = Callable[[Sequence[Image.Image]], list[Image.Image]]


@dataclass(frozen=True)
class Collapse:
    """One way."""

    name: str
    signals: tuple[str, ...]
    """Names under which it is recognised: one of these must fail."""
    ruin: Ruin
    """From an evaluation's pictures to what is left of them."""
    painted: bool = False
    """Text is painted: small pictures are enlarged first, or nobody could read it."""


def all_grey(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Middle grey everywhere."""
    return [Image.new("RGB", picture.size, (128, 128, 128)) for picture in pictures]


def one_for_all(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """The first picture, whatever the prompt."""
    return [pictures[0]] * len(pictures)


def one_a_prompt(seeds: int) -> Ruin:
    """The first of each prompt's pictures at every seed: variety is lost within prompts only."""
    return lambda pictures: [pictures[number - number % seeds] for number in range(len(pictures))]


def noise(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Uniform noise in every channel."""
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 256, (p.height, p.width, 3), dtype=np.uint8)) for p in pictures]


def painted_words(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    """Black letters on two white bands, two fifths of every picture."""
    return [_painted(picture.convert("RGB"), number) for number, picture in enumerate(pictures)]


def brightness(factor: float) -> Ruin:
    """Every pixel times a factor."""
    return lambda pictures: [ImageEnhance.Brightness(picture).enhance(factor) for picture in pictures]


def _painted(picture: Image.Image, number: int) -> Image.Image:
    ink, height = ImageDraw.Draw(picture), max(8, picture.height // 5)
    for line in range(2):
        top = (number % 3 + 2 * line) * picture.height // 5
        ink.rectangle((0, top, picture.width, top + height), fill="white")
        word = WORDS[(number + line) % len(WORDS)]
        ink.text((1, top + height // 2), word, "black", font=ImageFont.load_default(height), anchor="lm")
    return picture


FLAT = ("statistic:colour_entropy", "statistic:contrast", "statistic:saturation")
SAME = ("diversity:within_prompt", "diversity:between_prompts")
LIGHT = ("statistic:brightness", "statistic:dark_share")
FACTORS = (0.5, 0.7, 0.8, 0.9, 1.1, 1.2, 1.4)


def collapses(seeds: int) -> list[Collapse]:
    """Every way; `seeds` is the number of pictures a prompt."""
    return [
        Collapse("all grey", (*FLAT, *SAME), all_grey),
        Collapse("one picture for all", SAME, one_for_all),
        Collapse("one picture a prompt", SAME[:1], one_a_prompt(seeds)),
        Collapse("noise", (*FLAT, "statistic:edge_density", *SAME), noise),
        Collapse("painted words", ("text_area", "text_reward"), painted_words, painted=True),
        *(Collapse(f"brightness x{factor:g}", LIGHT, brightness(factor)) for factor in FACTORS),
    ]
