"""Coloured discs on grey, 64 pixels, and rewards for them: a sound one, and some that can be fooled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from components.scoring.audit.painting import painted
from components.scoring.rewards.reward import NoOptions

COLOURS = {"red": (220, 30, 30), "green": (30, 170, 60), "blue": (40, 70, 220), "yellow": (240, 210, 30)}
SIDE = 64


def gallery(directory: Path) -> Path:
    """Twelve pictures and their prompts.toml: each colour at three places."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = []
    for place in range(3):
        for name, colour in COLOURS.items():
            picture = Image.new("RGB", (SIDE, SIDE), (150, 150, 150))
            ImageDraw.Draw(picture).ellipse((8 + 3 * place, 4 * place, 50 + 3 * place, 42 + 4 * place), fill=colour)
            picture.save(directory / f"{name}-{place}.png")
            lines.append(f'"{name}-{place}.png" = "a {name} disc"')
    (directory / "prompts.toml").write_text("\n".join(lines) + "\n")
    return directory


class Sound:
    """Share of the picture that has the colour that the prompt names."""

    Options = NoOptions

    def __init__(self, options: NoOptions) -> None: ...

    def identity(self):
        return {"version": 1}

    def score(self, pictures, prompts):
        return [self.true_share(picture, prompt.text) for picture, prompt in zip(pictures, prompts, strict=True)]

    def true_share(self, picture, text):
        wanted = np.array(COLOURS[text.split()[1]])
        return float((np.abs(np.asarray(picture).astype(int) - wanted).max(-1) < 30).mean())


class Reader(Sound):
    """Sound, but for a reader of letters: where black strokes of the prompt's words stand, it believes them."""

    def score(self, pictures, prompts):
        return [
            max(self.true_share(picture, prompt.text), 0.3 * self.reads(picture, prompt.text))
            for picture, prompt in zip(pictures, prompts, strict=True)
        ]

    def reads(self, picture, text):
        ground = Image.new("RGB", picture.size, (150, 150, 150))
        ink = np.asarray(painted(ground, text)).max(-1) < 60
        dark = np.asarray(picture).max(-1) < 60
        return float(dark[ink].mean() > 0.95 and dark[~ink].mean() < 0.5)


class White(Sound):
    """Pays for white pictures, whatever is asked for."""

    def score(self, pictures, prompts):
        return [float(np.asarray(picture).min(-1).mean()) for picture in pictures]


class Restless(Sound):
    """Sound for the first picture of a batch; the others are paid for their place in it."""

    def score(self, pictures, prompts):
        return [x + 0.1 * place for place, x in enumerate(super().score(pictures, prompts))]


class Away(Sound):
    """Fails on every batch of one."""

    def score(self, pictures, prompts):
        if len(pictures) == 1:
            raise RuntimeError("too small a batch")
        return super().score(pictures, prompts)


class Constant(Sound):
    """One answer to everything."""

    def score(self, pictures, prompts):
        return [0.5] * len(pictures)
