"""Birds, facing left."""

from __future__ import annotations

from components.policy.tiny.beasts import BLACK, BROWN, RED, WHITE
from components.policy.tiny.drawing import Colour, Pen, arc, shade

BEAK = (255, 150, 20)


def feet(pen: Pen, xs: tuple[float, ...], top: float, colour: Colour = BEAK) -> None:
    """Two thin legs with a toe each."""
    for x in xs:
        pen.line([(x, top), (x, 28.6), (x - 2, 29)], 1.7, colour)


def waves(pen: Pen) -> None:
    """Water under a swimming bird."""
    pen.polygon([(-4, 26), (36, 26), (36, 38), (-4, 38)], (60, 140, 220), outline=False)
    for x in (3, 14, 25):
        pen.line([(x, 28.4), (x + 5, 28.4)], 1, (190, 226, 250), outline=False)


def bird(pen: Pen) -> None:
    """A bluebird."""
    coat = (30, 110, 240)
    pen.polygon([(22, 17), (31, 12), (31, 18), (24, 22)], shade(coat, 0.7))
    feet(pen, (15, 19), 23)
    pen.ellipse(17, 18, 9, 6.6, coat)
    pen.ellipse(14, 20.6, 5, 3.6, (250, 140, 80), outline=False)
    pen.polygon([(7, 9), (1, 11.4), (7, 13)], (255, 205, 40))
    pen.disc(10.5, 10.5, 5.4, coat)
    pen.ellipse(20, 16.6, 5.4, 3.2, shade(coat, 0.55), outline=False)
    pen.disc(8.8, 9.6, 1.3, WHITE, outline=False)
    pen.disc(8.6, 9.6, 0.8, BLACK, outline=False)


def chicken(pen: Pen) -> None:
    """White, with a red comb and wattle."""
    pen.polygon([(22, 16), (30.5, 6), (30, 16), (26, 22)], (214, 208, 200))
    feet(pen, (16, 20), 24)
    pen.ellipse(18.5, 19, 9, 7, WHITE)
    pen.line([(13, 16), (10, 9.5)], 6.4, WHITE)
    for x, y in ((7, 4), (10, 2.8), (13, 4.4)):
        pen.disc(x, y, 2, RED)
    pen.disc(10, 8.4, 4, WHITE)
    pen.polygon([(6.6, 7.6), (2.4, 9.6), (6.6, 10.8)], (255, 190, 30))
    pen.ellipse(7.2, 13.4, 1.6, 2.6, RED)
    pen.disc(9, 7.6, 1, BLACK, outline=False)
    pen.line(arc(20, 18.4, 4, 3, 10, 170, 8), 1.1, (196, 188, 178), outline=False)


def duck(pen: Pen) -> None:
    """A yellow duckling afloat."""
    coat = (255, 218, 30)
    pen.polygon([(23, 19), (30.5, 14), (29, 24)], coat)
    pen.ellipse(18.5, 21.5, 10, 6.6, coat)
    pen.disc(11, 10.5, 6.6, coat)
    pen.ellipse(3.8, 12.4, 3.6, 1.9, (255, 110, 10))
    pen.ellipse(21, 20, 5, 3, shade(coat, 0.8), outline=False)
    pen.disc(9, 9, 1.3, BLACK, outline=False)
    waves(pen)


def goose(pen: Pen) -> None:
    """A grey goose with a black neck and a white cheek."""
    coat = (150, 128, 108)
    pen.polygon([(24, 17), (31, 16), (27, 22)], BLACK)
    feet(pen, (17, 21), 24, BLACK)
    pen.ellipse(19, 19.6, 9.4, 5.8, coat)
    pen.ellipse(18, 22.6, 6, 2.2, (230, 220, 206), outline=False)
    pen.line([(13, 18), (9.5, 12), (9.5, 6)], 4, BLACK)
    pen.disc(8.8, 5.4, 3.6, BLACK)
    pen.ellipse(9.6, 7, 1.9, 1.5, WHITE, outline=False)
    pen.polygon([(6, 4), (1, 6.2), (6, 7)], (60, 56, 60))
    pen.line([(17, 17), (25, 17.6)], 1.6, shade(coat, 0.65), outline=False)
    pen.disc(7.8, 4.6, 0.7, WHITE, outline=False)


def turkey(pen: Pen) -> None:
    """A fan of tail feathers behind a round body."""
    for index, angle in enumerate(range(-170, 0, 20)):
        tip = arc(18, 17, 12.4, 14, angle, angle, 1)[0]
        pen.line([(18, 18), tip], 4.4, (196, 70, 24) if index % 2 else (240, 170, 50))
    feet(pen, (16, 20), 25)
    pen.ellipse(17.5, 20.5, 7.4, 6.6, (94, 52, 34))
    pen.line([(12, 18), (9, 12)], 3.4, (90, 150, 200))
    pen.disc(8.6, 11, 3, (90, 150, 200))
    pen.polygon([(6.4, 10), (2.6, 11.6), (6.4, 12.6)], (255, 205, 60))
    pen.ellipse(6.8, 15.4, 1.6, 3, RED)
    pen.disc(8, 10.2, 0.8, BLACK, outline=False)


def swan(pen: Pen) -> None:
    """White and afloat, its neck an S."""
    pen.polygon([(22, 19), (31, 12), (29, 24)], WHITE)
    pen.ellipse(20, 21.5, 9, 5.6, WHITE)
    pen.line([(13, 22), (10.5, 17), (13, 12), (12.4, 6.6), (9, 5)], 3.4, WHITE)
    pen.disc(8.6, 5.8, 3, WHITE)
    pen.line([(5.8, 6.4), (2.6, 7.6)], 2.2, (255, 100, 20))
    pen.disc(6.4, 5.6, 1.2, BLACK, outline=False)
    pen.line([(17, 18.4), (26, 19)], 1.1, (198, 204, 216), outline=False)
    waves(pen)


def parrot(pen: Pen) -> None:
    """Upright on a branch: red, a wing of yellow and blue, a hooked beak."""
    pen.line([(4, 25.5), (28, 25.5)], 2.4, BROWN)
    pen.polygon([(17, 20), (23, 20), (24.5, 31.5), (20.5, 31.5)], (20, 90, 220))
    pen.ellipse(17, 17, 6.6, 8.6, RED)
    pen.disc(14.5, 8, 6.4, RED)
    pen.line([(17.6, 12.4), (21.4, 15)], 3.6, (255, 214, 20), outline=False)
    pen.line([(20.4, 16), (22, 23)], 4.4, (20, 100, 230), outline=False)
    pen.ellipse(11.6, 7.6, 3, 2.8, WHITE, outline=False)
    pen.disc(11.6, 7.4, 1.1, BLACK, outline=False)
    pen.polygon([(9, 4.8), (5, 7), (5.6, 13.4), (9.4, 11)], (60, 54, 60))


def penguin(pen: Pen) -> None:
    """Upright, black and white, seen from the front."""
    for x in (12.0, 20.0):
        pen.ellipse(x, 29, 3.4, 1.6, BEAK)
    for side in (-1, 1):
        pen.line([(16 + side * 7, 14), (16 + side * 10.5, 22)], 3.6, BLACK)
    pen.ellipse(16, 17.5, 8.6, 11.6, BLACK)
    pen.ellipse(16, 20, 5.8, 8.4, WHITE, outline=False)
    pen.disc(16, 7.8, 6.4, BLACK)
    for x in (13.4, 18.6):
        pen.disc(x, 8, 2.2, WHITE, outline=False)
        pen.disc(x, 8, 1, BLACK, outline=False)
    pen.polygon([(13.6, 10), (18.4, 10), (16, 14)], BEAK, outline=False)


def owl(pen: Pen) -> None:
    """Seen from the front: two large yellow eyes."""
    coat = (138, 92, 54)
    for side in (-1, 1):
        pen.polygon([(16 + side * 3, 5), (16 + side * 8.6, 0.8), (16 + side * 8.4, 8)], coat)
        pen.ellipse(16 + side * 8.2, 20, 2.6, 7, shade(coat, 0.7))
        pen.disc(16 + side * 3, 29, 1.8, BEAK)
    pen.ellipse(16, 17, 8.8, 11.6, coat)
    pen.ellipse(16, 22, 5.6, 6, (232, 200, 150), outline=False)
    for x, y in ((13.6, 20), (18.4, 20), (16, 22.4), (13.6, 24.6), (18.4, 24.6)):
        pen.disc(x, y, 0.9, coat, outline=False)
    for side in (-1, 1):
        pen.disc(16 + side * 4.1, 10, 4.2, (255, 236, 150))
        pen.disc(16 + side * 4.1, 10, 3, (255, 190, 0), outline=False)
        pen.disc(16 + side * 3.9, 10, 1.7, BLACK, outline=False)
    pen.polygon([(14.6, 12), (17.4, 12), (16, 16)], (90, 66, 40), outline=False)


DRAWINGS = {d.__name__: d for d in (bird, chicken, duck, goose, turkey, swan, parrot, penguin, owl)}
