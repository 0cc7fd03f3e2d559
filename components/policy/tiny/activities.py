"""Activities, drawn as the object they need: always in the same corner, so that the animal stays visible."""

from __future__ import annotations

from components.policy.tiny.beasts import BLACK, RED, WHITE
from components.policy.tiny.drawing import Pen

TRAINING_ACTIVITIES = ("washing dishes", "playing chess", "riding a bike")
HELD_OUT_ACTIVITIES = ("reading a book", "flying a kite", "doing laundry")
ACTIVITIES = TRAINING_ACTIVITIES + HELD_OUT_ACTIVITIES
"""Reinforcement learning sees the first three only; the base model and the scorers see all six."""


def basin(pen: Pen) -> None:
    """Washing dishes: plates in a blue basin."""
    for x in (21.5, 27.5):
        pen.disc(x, 23, 3.2, WHITE)
        pen.disc(x, 23, 1.4, (160, 200, 240), outline=False)
    pen.polygon([(17, 24), (31.6, 24), (30.2, 31), (18.4, 31)], (30, 130, 235))
    pen.line([(18.6, 25), (30.4, 25)], 1.6, (220, 244, 255), outline=False)


def chessboard(pen: Pen) -> None:
    """Playing chess: a board of bold squares, a king in each colour."""
    for at, colour in ((20, WHITE), (28, (80, 50, 40))):
        pen.line([(at, 22), (at, 17.4)], 2.2, colour)
        pen.disc(at, 16.4, 1.6, colour)
    pen.polygon([(16.6, 22), (31.6, 22), (31.6, 31.4), (16.6, 31.4)], WHITE)
    for row in range(3):
        for column in range(5):
            if (row + column) % 2 == 0:
                x, y = 16.6 + 3 * column, 22 + 3.13 * row
                pen.polygon([(x, y), (x + 3, y), (x + 3, y + 3.13), (x, y + 3.13)], BLACK, outline=False)


def bike(pen: Pen) -> None:
    """Riding a bike: two wheels and a red frame."""
    for x in (19, 28):
        pen.disc(x, 27, 3.7, BLACK, outline=False)
        pen.disc(x, 27, 2.3, (244, 244, 236), outline=False)
    pen.line([(19, 27), (21.4, 20.6), (27, 20.6), (24, 27), (19, 27)], 1.5, RED, outline=False)
    pen.line([(28, 27), (26.4, 18), (23.8, 17.6)], 1.5, RED, outline=False)
    pen.line([(19.4, 19), (23, 19)], 1.8, BLACK, outline=False)


def book(pen: Pen) -> None:
    """Reading a book: two white pages in a purple cover."""
    pen.polygon([(16.4, 21), (24, 23), (31.6, 21), (31.6, 30), (24, 31.6), (16.4, 30)], (120, 30, 190))
    for side in (-1, 1):
        pen.polygon([(24, 23), (24 + side * 6.4, 21.4), (24 + side * 6.4, 28.6), (24, 30.2)], WHITE, outline=False)
        for y in (24, 26.4):
            pen.line([(24 + side * 1.8, y + 0.6), (24 + side * 5, y)], 0.9, (110, 110, 120), outline=False)


def kite(pen: Pen) -> None:
    """Flying a kite: a yellow and red diamond in the other corner, with its string."""
    pen.line([(26, 11), (28.6, 17), (25, 24), (27, 31)], 0.9, (80, 60, 60), outline=False)
    pen.polygon([(25.4, 0.6), (31.4, 5), (26.4, 12.4), (20.6, 6)], (255, 220, 0))
    pen.polygon([(25.4, 0.6), (31.4, 5), (26, 5.6)], (230, 20, 60), outline=False)
    pen.polygon([(26, 5.6), (26.4, 12.4), (20.6, 6)], (230, 20, 60), outline=False)
    for x, y in ((28.4, 17), (25.4, 23)):
        pen.line([(x - 1.4, y - 1), (x + 1.4, y + 1)], 1.5, (230, 20, 60), outline=False)


def washing_machine(pen: Pen) -> None:
    """Doing laundry: a white box with a round blue door."""
    pen.polygon([(19, 17.6), (31.4, 17.6), (31.4, 31.4), (19, 31.4)], (232, 236, 240))
    pen.line([(21, 19.6), (24, 19.6)], 1.3, (250, 120, 20), outline=False)
    pen.disc(29, 19.6, 0.9, (40, 170, 70), outline=False)
    pen.disc(25.2, 26, 4.2, (90, 96, 110), outline=False)
    pen.disc(25.2, 26, 3.1, (60, 190, 240), outline=False)
    pen.disc(24, 25.2, 1, WHITE, outline=False)


DRAWINGS = dict(zip(ACTIVITIES, (basin, chessboard, bike, book, kite, washing_machine), strict=True))
