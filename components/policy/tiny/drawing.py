"""A pen that draws bold shapes on a 32-unit square, and boils them down to 32x32 pixels.

Coordinates run from 0 to 32, x to the right and y down: one unit is one pixel of the finished picture. Shapes are kept
in a list and drawn twice: first fattened and dark, which leaves an outline around the whole figure, then in colour.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SIDE = 32  # pixels of the finished picture
FINE = 4  # fine pixels per pixel while drawing; a box filter averages them
OUTLINE = (38, 30, 42)
OUTLINE_WIDTH = 0.65  # pixels: thinner is lost to the autoencoder, thicker fills the gaps between legs

Colour = tuple[int, int, int]
Point = tuple[float, float]
Shape = Callable[[ImageDraw.ImageDraw, Colour, float], None]


def shade(colour: Colour, factor: float) -> Colour:
    """
    >>> shade((100, 200, 50), 0.5)
    (50, 100, 25)
    """
    return tuple(int(min(255, max(0, channel * factor))) for channel in colour)  # type: ignore[return-value]


@dataclass(frozen=True)
class Frame:
    """Where the figure stands: scaled about the middle of the square, then moved, in pixels."""

    scale: float = 1.0
    dx: float = 0.0
    dy: float = 0.0

    def __call__(self, x: float, y: float) -> Point:
        """Fine-pixel position of a point of the square."""
        return ((x - 16) * self.scale + 16 + self.dx) * FINE, ((y - 16) * self.scale + 16 + self.dy) * FINE


class Pen:
    """Collects shapes, then draws them with an outline."""

    def __init__(self, frame: Frame | None = None, tint: Colour = (0, 0, 0)) -> None:
        self.frame = frame or Frame()
        self.tint = tint
        self.shapes: list[tuple[Shape, Colour, bool]] = []

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Colour, *, outline: bool = True) -> None:
        """An upright ellipse about (x, y). Details without an outline stay inside the figure."""
        left, top = self.frame(x - rx, y - ry)
        right, bottom = self.frame(x + rx, y + ry)

        def shape(draw: ImageDraw.ImageDraw, fill: Colour, fat: float) -> None:
            draw.ellipse((left - fat, top - fat, right + fat, bottom + fat), fill=fill)

        self.shapes.append((shape, colour, outline))

    def disc(self, x: float, y: float, radius: float, colour: Colour, *, outline: bool = True) -> None:
        """A filled circle."""
        self.ellipse(x, y, radius, radius, colour, outline=outline)

    def polygon(self, points: Sequence[Point], colour: Colour, *, outline: bool = True) -> None:
        """A filled polygon."""
        corners = [self.frame(*point) for point in points]

        def shape(draw: ImageDraw.ImageDraw, fill: Colour, fat: float) -> None:
            draw.polygon(corners, fill=fill)
            if fat:
                draw.line([*corners, corners[0]], fill=fill, width=round(2 * fat), joint="curve")

        self.shapes.append((shape, colour, outline))

    def line(self, points: Sequence[Point], width: float, colour: Colour, *, outline: bool = True) -> None:
        """A thick stroke with round ends; width in pixels."""
        path = [self.frame(*point) for point in points]
        fine_width = width * FINE * self.frame.scale

        def shape(draw: ImageDraw.ImageDraw, fill: Colour, fat: float) -> None:
            radius = fine_width / 2 + fat
            draw.line(path, fill=fill, width=max(1, round(2 * radius)), joint="curve")
            for x, y in (path[0], path[-1]):
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

        self.shapes.append((shape, colour, outline))

    def draw_on(self, picture: Image.Image) -> None:
        """Draw everything collected so far onto a fine picture (128x128)."""
        draw = ImageDraw.Draw(picture)
        for shape, _, outline in self.shapes:
            if outline:
                shape(draw, OUTLINE, OUTLINE_WIDTH * FINE)
        for shape, colour, _ in self.shapes:
            shape(draw, tuple(max(0, min(255, c + t)) for c, t in zip(colour, self.tint, strict=True)), 0)  # type: ignore[arg-type]


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float, steps: int = 12) -> list[Point]:
    """Points on an ellipse between two angles in degrees; 0 points right, 90 down."""
    angles = np.radians(np.linspace(start, end, steps))
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


def boil_down(fine: Image.Image) -> Image.Image:
    """128x128 -> 32x32, each pixel the mean of its 4x4 fine pixels."""
    return fine.reduce(FINE)
