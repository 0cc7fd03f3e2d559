"""Insects, spiders, reptiles, frogs, and what lives in water. Facing left, or seen from above."""

from __future__ import annotations

from components.policy.tiny.beasts import BLACK, RED, WHITE
from components.policy.tiny.drawing import Colour, Pen, arc, shade

TEAL, LIME = (0, 150, 130), (120, 210, 40)


def six_legs(pen: Pen, x: float, ys: tuple[float, ...], reach: float, colour: Colour, width: float = 1.7) -> None:
    """Legs to both sides of an insect seen from above, with a knee."""
    for side in (-1, 1):
        for y, spread in zip(ys, (-3.5, 0.5, 4), strict=True):
            knee = (x + side * reach * 0.65, y + spread * 0.5)
            pen.line([(x, y), knee, (x + side * reach, y + spread)], width, colour)


def spider(pen: Pen) -> None:
    """Eight thick legs and a red hourglass."""
    legs = (20, 18, 24)
    for side in (-1, 1):
        for shoulder, knee_y, knee_x, foot_y, foot_x in (
            (13, 5, 8, 2, 14), (15, 9, 10.5, 12, 15), (18, 20, 10.5, 25, 15), (20, 26, 7.5, 31, 11),
        ):  # fmt: skip
            pen.line([(16, shoulder), (16 + side * knee_x, knee_y), (16 + side * foot_x, foot_y)], 2, legs)
    pen.disc(16, 21, 7.2, (40, 34, 46))
    pen.disc(16, 11.5, 4.6, (40, 34, 46))
    pen.polygon([(13.4, 18), (18.6, 18), (13.4, 24.4), (18.6, 24.4)], RED, outline=False)
    for x in (14.4, 17.6):
        pen.disc(x, 10, 1.2, WHITE, outline=False)


def beetle(pen: Pen) -> None:
    """From above: a green shell with a seam, and a forked horn."""
    shell = (10, 150, 90)
    six_legs(pen, 16, (15, 19, 23), 13.5, (24, 50, 44), 2.1)
    pen.ellipse(16, 20, 8.4, 9.6, shell)
    pen.line([(16, 12), (16, 29)], 1.3, BLACK, outline=False)
    for x in (12, 20):
        pen.line([(x, 14.6), (x - 0.4, 19)], 1.6, (140, 240, 180), outline=False)
    pen.ellipse(16, 9.6, 5.6, 3.6, (16, 80, 70))
    for side in (-1, 1):
        pen.line([(16 + side * 2, 7), (16 + side * 5, 3.4), (16 + side * 2.4, 1.2)], 1.9, (24, 50, 44))


def ant(pen: Pen) -> None:
    """Three beads on long legs, from the side."""
    coat = (176, 40, 22)
    for hip, knee, foot in ((11, 8, 4.5), (15, 13.5, 12.5), (16, 19, 21), (18, 23.5, 29)):
        pen.line([(hip, 18), (knee, 22), (foot, 29)], 1.7, shade(coat, 0.6))
    for path in ([(6, 12), (4.4, 6), (1.6, 4.4)], [(8, 12), (9.6, 6), (7.4, 3)]):
        pen.line(path, 1.5, shade(coat, 0.6))
    pen.ellipse(25, 16.5, 6, 5.2, coat)
    pen.ellipse(15.5, 17, 4, 3.2, coat)
    pen.disc(7.4, 15, 5, coat)
    pen.disc(5.8, 14, 1.3, WHITE, outline=False)
    pen.ellipse(24, 14.6, 2.4, 1.3, (240, 120, 90), outline=False)


def bee(pen: Pen) -> None:
    """Fat, with black and yellow bands and pale wings."""
    yellow = (255, 208, 0)
    for x, lean in ((16, -2), (21, 2)):
        pen.ellipse(x + lean, 7, 4.2, 6, (222, 242, 255))
    pen.polygon([(26, 16), (31.4, 19.4), (26, 21)], BLACK)
    pen.ellipse(17.5, 18.5, 11, 7.6, yellow)
    for x, half in ((14, 6.6), (19, 6.8), (24, 5)):
        pen.line([(x, 18.5 - half + 0.8), (x, 18.5 + half - 0.8)], 2.6, BLACK, outline=False)
    for path in ([(6, 12), (3, 7)], [(8.4, 12), (7, 6.4)]):
        pen.line(path, 1.4, BLACK)
    pen.disc(7.6, 16.8, 4.6, BLACK)
    pen.disc(6, 16, 1.5, WHITE, outline=False)


def fly(pen: Pen) -> None:
    """From above: two red eyes in front, grey wings swept back."""
    six_legs(pen, 16, (13, 16, 19), 13, BLACK, 1.5)
    pen.ellipse(16, 19.5, 5, 8.6, (60, 74, 84))
    for side in (-1, 1):
        wing = [(16 + side * 2, 12), (16 + side * 12, 23), (16 + side * 10, 29), (16 + side * 5.6, 29)]
        pen.polygon(wing, (196, 206, 216))
        pen.line([(16 + side * 3, 14), (16 + side * 8.6, 26)], 0.8, (110, 120, 130), outline=False)
    pen.ellipse(16, 13, 4.8, 4.6, (60, 74, 84))
    for side in (-1, 1):
        pen.disc(16 + side * 4.2, 6.6, 4.1, (224, 24, 34))
        pen.disc(16 + side * 3.4, 5.4, 1, (255, 150, 150), outline=False)


def ladybug(pen: Pen) -> None:
    """A red dome with black spots, from above."""
    six_legs(pen, 16, (14, 19, 23), 14, BLACK)
    pen.disc(16, 7.4, 5.4, BLACK)
    pen.ellipse(16, 18.5, 11, 10.4, (228, 22, 28))
    pen.line([(16, 8.6), (16, 28.6)], 1.5, BLACK, outline=False)
    for x, y in ((11, 14), (21, 14), (9.4, 20.4), (22.6, 20.4), (13, 24.8), (19, 24.8)):
        pen.disc(x, y, 1.9, BLACK, outline=False)
    for x in (13, 19):
        pen.disc(x, 5.8, 1.3, WHITE, outline=False)


def butterfly(pen: Pen) -> None:
    """Four bright wings, from above."""
    wing, inner = (250, 80, 180), (80, 220, 240)
    for side in (-1, 1):
        pen.ellipse(16 + side * 8, 10.5, 7, 7.6, wing)
        pen.ellipse(16 + side * 6.4, 23, 5.4, 6, (130, 60, 220))
        pen.disc(16 + side * 8.6, 10, 3.2, inner, outline=False)
        pen.disc(16 + side * 6.6, 23, 2.2, (255, 230, 90), outline=False)
        pen.line([(16, 8), (16 + side * 3.4, 2)], 1.3, BLACK)
    pen.ellipse(16, 17, 1.9, 9.6, BLACK)


def fish(pen: Pen) -> None:
    """A clown fish."""
    coat = (255, 130, 0)
    pen.polygon([(22, 16), (31, 7.5), (29, 16), (31, 24.5)], coat)
    pen.polygon([(10, 10), (17, 3), (21, 11)], shade(coat, 0.85))
    pen.ellipse(14, 16.5, 11, 8.2, coat)
    for x, half in ((10, 7), (17.4, 7)):
        pen.line([(x, 16.5 - half + 0.8), (x, 16.5 + half - 0.8)], 2.4, WHITE, outline=False)
    pen.disc(6.2, 14.6, 1.9, WHITE, outline=False)
    pen.disc(6, 14.6, 1.1, BLACK, outline=False)


def salmon(pen: Pen) -> None:
    """Leaping upwards to the left: red, with a green head."""
    red, green = (226, 50, 62), (50, 130, 80)
    pen.polygon([(23, 21), (31, 22), (27.6, 25.4), (25.4, 31)], red)
    pen.line([(8, 9), (14, 12), (20, 17.5), (24.6, 23)], 8.4, red)
    pen.polygon([(15, 8.4), (20.6, 7), (21.6, 13.6)], shade(red, 0.8))
    pen.polygon([(12, 17.6), (14.4, 22.6), (18, 20.6)], shade(red, 0.8))
    pen.polygon([(0.8, 4), (10.4, 4.4), (12, 9), (7.4, 14.6), (3, 11.4), (5, 9)], green)
    pen.disc(7.4, 7.4, 1.3, WHITE, outline=False)
    pen.line([(15.4, 15.4), (22, 22.4)], 2, (255, 170, 160), outline=False)


def shark(pen: Pen) -> None:
    """A fin, a row of teeth, a white belly."""
    coat = (92, 114, 140)
    pen.polygon([(23, 17), (31, 6), (29, 17), (31, 24)], coat)
    pen.polygon([(12, 12), (18, 1.6), (21, 12)], coat)
    pen.polygon([(12, 21), (17.4, 29.4), (18, 21)], shade(coat, 0.8))
    pen.polygon([(0.8, 15), (8, 10.4), (18, 10.4), (27, 16.6), (18, 23), (8, 23), (3, 20)], coat)
    pen.polygon([(3, 19.4), (14, 19), (22, 20.4), (18, 22.8), (8, 22.8)], WHITE, outline=False)
    pen.polygon([(2.6, 16.8), (9.6, 17), (8, 19), (6.4, 17.8), (5, 19.2)], WHITE, outline=False)
    pen.disc(6.8, 13.8, 1.2, BLACK, outline=False)
    for x in (12, 14):
        pen.line([(x, 13.6), (x, 17)], 0.7, shade(coat, 0.55), outline=False)


def whale(pen: Pen) -> None:
    """Big, round-headed, with a spout."""
    coat = (24, 60, 150)
    for path in ([(10, 8), (10, 3), (6, 1.4)], [(10, 8), (10, 3), (14, 1.4)]):
        pen.line(path, 1.7, (226, 246, 255))
    pen.polygon([(23, 18), (26, 11), (23.6, 5.6), (28, 8), (31.6, 5), (30.6, 13), (28, 20)], coat)
    body = [(1.4, 18), (3, 11), (10, 8.4), (18, 10), (28.4, 17.5), (26, 24.4), (17, 28.4), (7, 27.6), (2, 23)]
    pen.polygon(body, coat)
    pen.polygon([(1.8, 20.6), (12, 22.4), (21, 24.6), (16, 28), (7, 27.4), (2.6, 23.6)], WHITE, outline=False)
    pen.disc(6.6, 16.6, 1.3, WHITE, outline=False)
    pen.disc(6.4, 16.6, 0.8, BLACK, outline=False)


def dolphin(pen: Pen) -> None:
    """Leaping in an arch, with a beak."""
    coat = (120, 190, 214)
    pen.polygon([(24, 22), (31, 22), (29, 26), (30, 31), (25, 28)], coat)
    pen.polygon([(15, 9), (22.6, 4), (22.6, 13)], coat)
    pen.line([(9, 15), (13, 11), (19, 11.6), (23.4, 17), (26, 24)], 7.6, coat)
    pen.line([(8, 16.6), (2, 20.4)], 2.6, coat)
    pen.disc(9.4, 14.6, 4.8, coat)
    pen.line([(8.6, 18.4), (13.4, 15.4), (18.6, 16), (21.4, 21)], 2.2, WHITE, outline=False)
    pen.polygon([(12.4, 17), (12, 24), (16.4, 17.4)], shade(coat, 0.75))
    pen.disc(8.2, 13.2, 1.2, BLACK, outline=False)


def octopus(pen: Pen) -> None:
    """Eight arms below a round head."""
    coat = (206, 50, 150)
    for side in (-1, 1):
        for spread, tip in ((3, 30), (8, 29), (12, 25), (14, 19)):
            elbow = (16 + side * spread * 0.9, (17 + tip) / 2 + 1)
            pen.line([(16 + side * spread * 0.4, 17), elbow, (16 + side * spread, tip)], 2.9, coat)
    pen.ellipse(16, 10.5, 8, 9.4, coat)
    for x in (12.6, 19.4):
        pen.disc(x, 12.4, 2.3, WHITE, outline=False)
        pen.disc(x, 12.8, 1.2, BLACK, outline=False)
    for x, y in ((12, 5), (17, 3.6), (20, 6.6)):
        pen.disc(x, y, 1, (255, 150, 210), outline=False)


def crab(pen: Pen) -> None:
    """Claws up, eyes on stalks."""
    coat = (240, 70, 20)
    for side in (-1, 1):
        for y in (20, 23.4, 26.6):
            pen.line([(16 + side * 7, 20), (16 + side * 12, y - 1), (16 + side * 14.4, y + 3)], 1.8, coat)
        pen.line([(16 + side * 7, 18), (16 + side * 12, 14), (16 + side * 11.6, 9)], 2.6, coat)
        pen.disc(16 + side * 11.4, 6.4, 4, coat)
        gap = [(16 + side * 11.4, 6.6), (16 + side * 8.6, 0.6), (16 + side * 12.8, 0.6)]
        pen.polygon(gap, (170, 210, 230), outline=False)
        pen.line([(16 + side * 3, 15), (16 + side * 3.4, 10)], 1.5, coat)
        pen.disc(16 + side * 3.4, 9.4, 1.9, WHITE)
        pen.disc(16 + side * 3.4, 9.4, 0.9, BLACK, outline=False)
    pen.ellipse(16, 20, 9.4, 6.4, coat)
    pen.line(arc(16, 20, 4, 2.4, 20, 160, 7), 1.1, (120, 20, 10), outline=False)


def snake(pen: Pen) -> None:
    """Rearing up out of its coils, with a forked tongue."""
    coat, band = (90, 190, 20), (255, 230, 40)
    pen.ellipse(18, 26.5, 11.6, 3.6, coat)
    pen.ellipse(18.6, 22, 8.8, 3.4, coat)
    pen.line([(24, 19), (18, 16.6), (14, 13), (14, 7)], 4.6, coat)
    below = ((9, 26.6), (14.4, 27.6), (20, 27.8), (26, 26.6))
    for x, y in (*below, (13.4, 22.6), (18.6, 23), (24, 22.4), (19.6, 17.6), (14.4, 12)):
        pen.line([(x - 0.6, y - 1), (x + 0.6, y + 1)], 1.7, band, outline=False)
    pen.line([(7, 7.4), (2.4, 8)], 1.4, RED)
    pen.ellipse(11.8, 6.4, 5, 3.6, coat)
    pen.disc(10.4, 5.2, 1.2, BLACK, outline=False)


def lizard(pen: Pen) -> None:
    """From above, a diagonal: splayed toes and a long, tapering tail."""
    coat, back = (0, 186, 176), (255, 236, 90)
    for hip, knee, foot in (
        ((10, 10), (13.4, 5), (18, 4.6)), ((9, 12), (3.6, 14), (2.4, 19)),
        ((17, 17), (22.6, 13), (26.4, 14.6)), ((15.4, 18.6), (12, 23.4), (14, 28)),
    ):  # fmt: skip
        pen.line([hip, knee, foot], 2.1, coat)
    pen.line([(17, 18), (22, 22), (27, 22.4), (29, 27), (26, 30.5)], 2.4, coat)
    pen.line([(15, 16), (20, 20.4)], 4.2, coat)
    pen.line([(8, 9), (16.4, 17)], 6, coat)
    pen.ellipse(6, 7, 4.4, 4.2, coat)
    pen.line([(8, 9), (19, 19.6)], 1.7, back, outline=False)
    for x, y in ((3.6, 8.4), (7.4, 4.4)):
        pen.disc(x, y, 1.3, BLACK, outline=False)


def crocodile(pen: Pen) -> None:
    """Long and low, jaws open."""
    coat = (40, 96, 44)
    for x in (12, 23):
        pen.line([(x, 20), (x - 1.4, 26.4), (x - 3.4, 27)], 3.2, shade(coat, 0.8))
    pen.polygon([(24, 15), (31.4, 21), (31.4, 24), (22, 23.4)], coat)
    pen.ellipse(19, 19, 9, 5, coat)
    pen.polygon([(12, 12), (0.6, 7), (0.8, 10.6), (10, 17)], coat)
    pen.polygon([(12, 22.6), (0.8, 21), (1.2, 18.4), (10, 17)], coat)
    pen.polygon([(11, 16.8), (3, 11.6), (3, 18.6)], (220, 70, 80), outline=False)
    for x, top, bottom in ((3, 11, 18.6), (6, 12.8, 18), (9, 14.4, 17.6)):
        pen.polygon([(x - 1.2, top - 0.6), (x + 1.2, top + 0.5), (x, top + 2.6)], WHITE, outline=False)
        pen.polygon([(x - 1.2, bottom + 0.5), (x + 1.2, bottom + 0.3), (x, bottom - 2)], WHITE, outline=False)
    pen.disc(11.4, 12, 2.3, coat)
    pen.disc(11.2, 11.8, 1.2, (255, 226, 60), outline=False)
    for x in (15, 19, 23, 27):
        pen.polygon([(x - 1.8, 15.6), (x, 11.8), (x + 1.8, 15.6)], shade(coat, 0.7))


def turtle(pen: Pen) -> None:
    """A domed shell with light plates."""
    skin, shell = (150, 200, 90), (140, 94, 40)
    for x in (11.0, 24.0):
        pen.line([(x, 23), (x - 1, 28)], 4.4, skin)
    pen.line([(28, 24), (31, 25)], 2, skin)
    pen.line([(10, 22), (6, 16)], 3.6, skin)
    pen.ellipse(5.4, 14.4, 4, 3.6, skin)
    pen.polygon([*arc(18.5, 24, 11.4, 15, 180, 360, 16), (29, 25.6), (8, 25.6)], shell)
    for x, y, radius in ((18.5, 13.6, 2.9), (13, 19, 2.6), (24, 19, 2.6), (18.5, 21, 2.3)):
        pen.disc(x, y, radius, (214, 170, 70), outline=False)
    pen.disc(4.4, 13.6, 1.1, BLACK, outline=False)


def frog(pen: Pen) -> None:
    """Seen from the front: eyes on top, a mouth from side to side, folded legs."""
    coat = LIME
    for side in (-1, 1):
        pen.ellipse(16 + side * 10, 23, 4.2, 5.6, shade(coat, 0.82))
        pen.ellipse(16 + side * 10.6, 28.6, 4.4, 1.7, shade(coat, 0.82))
        pen.disc(16 + side * 6.6, 7.4, 4.6, coat)
    pen.ellipse(16, 16, 12, 7.6, coat)
    pen.ellipse(16, 22.6, 8, 6.4, (220, 244, 150))
    for side in (-1, 1):
        pen.disc(16 + side * 6.6, 7.2, 2.9, WHITE, outline=False)
        pen.disc(16 + side * 6.4, 7.2, 1.5, BLACK, outline=False)
        pen.line([(16 + side * 4, 24), (16 + side * 4.4, 28.4)], 2.2, coat)
    pen.line(arc(16, 14, 8, 4, 15, 165, 9), 1.3, (40, 90, 20), outline=False)


_ALL = (
    spider, beetle, ant, bee, fly, ladybug, butterfly, fish, salmon, shark, whale, dolphin, octopus, crab, snake,
    lizard, crocodile, turtle, frog,
)  # fmt: skip
DRAWINGS = {drawing.__name__: drawing for drawing in _ALL}
