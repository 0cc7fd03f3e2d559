"""Mammals, facing left: a body plan with options for most, a hand-made figure where the plan would not do."""

from __future__ import annotations

from components.policy.tiny.drawing import Colour, Pen, Point, arc, shade

WHITE, CREAM, BLACK = (250, 250, 248), (245, 232, 200), (28, 26, 32)
GREY, PINK, BROWN = (150, 152, 160), (245, 160, 175), (128, 76, 38)
ORANGE, GOLD, RED = (242, 124, 28), (240, 184, 56), (216, 36, 40)


def torso(
    pen: Pen, coat: Colour, *, body: tuple[float, float, float, float] = (19, 17, 9, 5.5), leg: float = 3.2,
    legs: Colour | None = None, neck: tuple[Point, float] = ((8, 10), 5), ground: float = 29.5,
) -> None:  # fmt: skip
    """Four legs, a barrel and a neck that ends where the head will be. `body` is (x, y, rx, ry)."""
    x, y, rx, ry = body
    legs = legs or coat
    for offset, colour in ((-0.42, shade(legs, 0.72)), (0.72, shade(legs, 0.72)), (-0.78, legs), (0.36, legs)):
        pen.line([(x + rx * offset, y), (x + rx * offset, ground - leg / 2)], leg, colour)
    pen.ellipse(x, y, rx, ry, coat)
    (neck_x, neck_y), width = neck
    pen.line([(x - rx * 0.6, y - ry * 0.15), (neck_x, neck_y)], width, coat)


def head(
    pen: Pen, x: float, y: float, radius: float, coat: Colour, *, muzzle: Colour, reach: float = 3.5, drop: float = 1.2,
    ears: str = "", ear: Colour | None = None,
) -> None:  # fmt: skip
    """A head in profile; `reach` is how far the muzzle stands out, `drop` how far it hangs, in pixels."""
    ear = ear or coat
    if ears == "pointed":
        for at in (-0.35, 0.65):
            base = x + radius * at
            tip = (base + 0.2, y - radius - 4)
            pen.polygon([(base - 1.9, y - radius * 0.5), tip, (base + 2, y - radius * 0.4)], ear)
    elif ears == "round":
        for at in (-0.6, 0.8):
            pen.disc(x + radius * at, y - radius * 0.85, 1.9, ear)
    elif ears == "long":
        for at in (0.0, 0.85):
            pen.line([(x + radius * at, y - radius * 0.6), (x + radius * at + 1.2, y - radius - 5.5)], 2.4, ear)
    elif ears == "side":
        pen.line([(x + radius * 0.5, y - radius * 0.5), (x + radius * 0.5 + 3, y - radius - 1)], 2.4, ear)
    pen.line([(x, y + drop * 0.3), (x - reach, y + drop)], radius * 1.25, muzzle)
    pen.disc(x, y, radius, coat)
    pen.disc(x - reach - radius * 0.45, y + drop - 0.5, 0.9, BLACK, outline=False)
    pen.disc(x - radius * 0.25, y - radius * 0.3, 0.95, BLACK, outline=False)
    if ears == "floppy":
        pen.ellipse(x + radius * 0.8, y + 1.4, 1.9, 4, ear)


def bars(pen: Pen, body: tuple[float, float, float, float], colour: Colour, count: int, width: float) -> None:
    """Upright stripes that follow the barrel's outline."""
    x, y, rx, ry = body
    for index in range(count):
        at = -0.72 + 1.5 * index / (count - 1)
        half = ry * max(0.0, 1 - at * at) ** 0.5 * 0.95
        pen.line([(x + rx * at, y - half + 0.6), (x + rx * at + 0.5, y + half * 0.55)], width, colour, outline=False)


def blots(pen: Pen, points: list[Point], radius: float, colour: Colour) -> None:
    """Round spots."""
    for x, y in points:
        pen.disc(x, y, radius, colour, outline=False)


def cat(pen: Pen) -> None:
    """Sitting, seen from the front: big pointed ears, green eyes, whiskers, tail held up."""
    coat = (122, 112, 150)
    pen.line([(22, 27), (28, 24), (28, 15), (26, 12)], 3, coat)
    pen.ellipse(16, 23, 8, 7.5, coat)
    pen.ellipse(16, 25, 3.6, 5, WHITE, outline=False)
    for side in (-1, 1):
        pen.polygon([(16 + side * 2, 6), (16 + side * 8, 1), (16 + side * 7.6, 11)], coat)
        pen.polygon([(16 + side * 4, 6), (16 + side * 7, 3.2), (16 + side * 6.6, 8)], PINK, outline=False)
    pen.ellipse(16, 11, 8, 6.8, coat)
    for side in (-1, 1):
        pen.ellipse(16 + side * 3.4, 10, 1.9, 1.7, (150, 230, 70), outline=False)
        pen.ellipse(16 + side * 3.4, 10, 0.8, 1.6, BLACK, outline=False)
        pen.line([(16 + side * 4.5, 14), (16 + side * 9, 13.4)], 0.8, WHITE, outline=False)
    pen.disc(16, 13.6, 1.3, PINK, outline=False)


def dog(pen: Pen) -> None:
    """Tan, with dark floppy ears and a red collar."""
    coat, dark = (196, 132, 70), (92, 50, 24)
    pen.line([(27, 15), (30, 9)], 3, coat)
    torso(pen, coat, body=(19, 18, 9, 5.2), legs=coat, neck=((10, 12), 6))
    pen.ellipse(21, 16, 4.5, 3, dark, outline=False)
    pen.line([(11, 17.5), (15, 13)], 2.2, RED, outline=False)
    head(pen, 9.5, 10, 5, coat, muzzle=WHITE, reach=4.2, drop=2.2, ears="floppy", ear=dark)


def horse(pen: Pen) -> None:
    """Chestnut, with a black mane and tail and a white blaze."""
    coat = (150, 68, 30)
    pen.line([(27, 14), (30, 18), (30, 25)], 3.4, BLACK)
    torso(pen, coat, body=(19, 16, 9, 5), leg=2.9, neck=((9, 7), 6))
    pen.line([(11, 4), (14, 8), (16, 13)], 3.4, BLACK)
    head(pen, 9, 7, 3.4, coat, muzzle=coat, reach=4.2, drop=4, ears="pointed")
    pen.line([(7.5, 6), (5, 10)], 1.3, WHITE, outline=False)


def zebra(pen: Pen) -> None:
    """White, with broad black stripes."""
    body = (19, 16.5, 9, 5.6)
    pen.line([(27.5, 14), (30, 21)], 2.6, BLACK)
    torso(pen, WHITE, body=body, leg=3, neck=((9, 8), 6.4))
    bars(pen, body, BLACK, 4, 2.1)
    for y in (22.5, 26.5):
        for x in (11.9, 22.3):
            pen.line([(x - 1, y), (x + 1, y)], 1.5, BLACK, outline=False)
    pen.line([(9.5, 3.5), (13.2, 6.5), (15.5, 11)], 2.8, BLACK)
    pen.line([(8.5, 12.8), (12, 10.2)], 1.7, BLACK, outline=False)
    head(pen, 8.5, 7.5, 3.5, WHITE, muzzle=BLACK, reach=4, drop=3.6, ears="pointed", ear=BLACK)


def sheep(pen: Pen) -> None:
    """A white cloud on black legs."""
    for x in (13, 16.5, 22, 25.5):
        pen.line([(x, 20), (x, 28.3)], 2.8, BLACK)
    wool = ((13, 15, 5), (18, 12, 5), (24, 13, 5), (26.5, 18, 4.6), (21, 20, 5), (15, 20, 4.6), (20, 16, 6))
    for x, y, radius in wool:
        pen.disc(x, y, radius, WHITE)
    for x, y in ((15, 14), (21, 12), (25, 17), (19, 19)):
        pen.line(arc(x, y, 1.8, 1.4, 20, 160, 5), 0.7, (190, 192, 205), outline=False)
    pen.line([(10, 9.5), (13.5, 11)], 2.2, BLACK)
    pen.ellipse(7.5, 13, 4, 5, BLACK)
    pen.disc(6.5, 11.8, 1.1, WHITE, outline=False)
    pen.disc(9, 7.6, 3, WHITE, outline=False)


def deer(pen: Pen) -> None:
    """White spots, antlers."""
    coat, horn = (206, 122, 52), (110, 66, 30)
    torso(pen, coat, body=(20, 18, 8.5, 4.8), leg=2.6, neck=((10.5, 10), 4.6))
    pen.disc(28, 15.5, 2.2, WHITE)
    blots(pen, [(16, 16), (19.5, 14.8), (23, 16), (17.5, 19), (21.5, 18.8), (25, 18.5)], 1.1, WHITE)
    for path in ([(10, 7), (6, 1.5)], [(8, 4.5), (3.5, 4)], [(11, 7), (15, 1.5)], [(13, 4.5), (18, 4)]):
        pen.line(path, 1.5, horn)
    head(pen, 10, 9.5, 3.4, coat, muzzle=CREAM, reach=3.8, drop=2, ears="side")


def cow(pen: Pen) -> None:
    """White with black patches, a pink muzzle and horns."""
    body = (19.5, 16.5, 9.5, 6.3)
    pen.line([(28, 13), (30.5, 22)], 1.8, WHITE)
    pen.disc(22, 22.5, 2.6, PINK)
    torso(pen, WHITE, body=body, leg=3.4, neck=((10, 13), 6))
    for x, y, rx, ry in ((16, 14, 3.4, 3), (24.5, 17, 3, 3.6), (19.5, 20, 2.6, 1.8)):
        pen.ellipse(x, y, rx, ry, BLACK, outline=False)
    for path in ([(6, 7.5), (3.4, 4.5)], [(11, 7.5), (13.5, 4.5)]):
        pen.line(path, 1.8, (225, 205, 150))
    head(pen, 8.5, 11, 4.6, WHITE, muzzle=PINK, reach=3.2, drop=3, ears="side", ear=BLACK)
    pen.ellipse(10, 9.4, 2, 2.6, BLACK, outline=False)


def goat(pen: Pen) -> None:
    """Grey, with horns swept back and a beard."""
    coat, horn = (176, 178, 186), (90, 74, 62)
    pen.line([(27, 13), (29.5, 10)], 2.4, coat)
    torso(pen, coat, body=(19.5, 17.5, 8.5, 5), leg=2.8, legs=(110, 100, 100), neck=((9.5, 11), 5))
    pen.line([(9, 8), (12, 2.5), (17, 2.5), (19, 6)], 2.5, horn)
    head(pen, 8.5, 10, 3.8, coat, muzzle=coat, reach=3.4, drop=2.4, ears="")
    pen.polygon([(4, 14), (8.5, 14), (5.5, 21)], WHITE)
    pen.line([(11, 10.5), (14, 12)], 2, shade(coat, 0.8))


def lion(pen: Pen) -> None:
    """A mane as wide as the body is high."""
    coat, mane = (246, 190, 70), (156, 72, 18)
    pen.line([(27, 16), (30, 12), (29.5, 8)], 2, coat)
    pen.disc(29.3, 7, 2.3, mane)
    torso(pen, coat, body=(20, 19, 8.5, 5), leg=3.4, neck=((11, 14), 5))
    pen.disc(10.5, 12.5, 9, mane)
    pen.disc(10, 13, 5.4, coat, outline=False)
    for x in (8, 12.4):
        pen.disc(x, 11.6, 1.1, BLACK, outline=False)
    pen.ellipse(10, 15.8, 2.6, 1.8, CREAM, outline=False)
    pen.ellipse(10, 14.6, 1.5, 1, BLACK, outline=False)


def tiger(pen: Pen) -> None:
    """Orange, with black stripes and a white belly."""
    body = (19.5, 17.5, 9.5, 5.8)
    pen.line([(28, 15), (30.5, 10), (29, 6)], 2.6, ORANGE)
    for y in (8, 11.5):
        pen.line([(28.6, y), (31, y)], 1.5, BLACK, outline=False)
    torso(pen, ORANGE, body=body, leg=3.6, neck=((10, 13), 7))
    pen.ellipse(18, 21.6, 6, 1.8, WHITE, outline=False)
    bars(pen, body, BLACK, 5, 1.6)
    head(pen, 9, 11.5, 5.4, ORANGE, muzzle=WHITE, reach=3.2, drop=2, ears="round")
    for x in (8, 10.5, 13):
        pen.line([(x, 6.5), (x, 8.7)], 1.3, BLACK, outline=False)


def bear(pen: Pen) -> None:
    """Brown and bulky, on pillars."""
    coat = (98, 56, 30)
    torso(pen, coat, body=(19, 16.5, 10.5, 8), leg=5, neck=((9, 12), 9))
    pen.disc(29, 14, 1.8, coat)
    head(pen, 8.5, 11, 5.6, coat, muzzle=(206, 160, 110), reach=3.4, drop=2, ears="round")


def raccoon(pen: Pen) -> None:
    """A black mask and a ringed tail."""
    coat = (138, 142, 150)
    pen.line([(24, 21), (29, 16), (28, 6)], 5.4, coat)
    for x, y in ((28.8, 15), (28.6, 11), (28.2, 7)):
        pen.line([(x - 2, y), (x + 2, y)], 1.9, BLACK, outline=False)
    torso(pen, coat, body=(17.5, 20, 8, 5.5), leg=3.4, legs=(60, 60, 66), neck=((11, 14), 6))
    for at in (5.0, 17.0):
        pen.disc(at, 6.8, 2.4, coat)
    pen.ellipse(11, 12, 8.2, 6, WHITE)
    pen.ellipse(11, 9, 6.5, 3, coat, outline=False)
    pen.line([(6, 11.8), (16, 11.8)], 3.4, BLACK, outline=False)
    for at in (7.6, 14.4):
        pen.disc(at, 11.6, 1, WHITE, outline=False)
    pen.disc(11, 15.8, 1.4, BLACK, outline=False)


def fox(pen: Pen) -> None:
    """Red, with a white chest and tail tip, and black socks."""
    coat = (236, 84, 24)
    pen.line([(24, 18), (28, 13), (28, 9)], 5, coat)
    pen.disc(28, 6.5, 2.4, WHITE, outline=False)
    torso(pen, coat, body=(18, 19.5, 8, 4.6), leg=2.8, legs=BLACK, neck=((10, 13), 5.5))
    pen.ellipse(12, 19, 2.6, 3.4, WHITE, outline=False)
    for x in (5.5, 13):
        pen.polygon([(x - 2.6, 9), (x, 1), (x + 2.8, 9)], coat)
        pen.disc(x, 3.6, 1.1, BLACK, outline=False)
    pen.polygon([(2, 8.5), (16.5, 8.5), (15, 14), (9, 19), (3.5, 14)], coat)
    pen.polygon([(2.6, 12.5), (8, 13.5), (9, 18.6)], WHITE, outline=False)
    pen.polygon([(16, 12.5), (10.5, 13.5), (9, 18.6)], WHITE, outline=False)
    for x in (6.2, 12.2):
        pen.disc(x, 11.4, 1, BLACK, outline=False)
    pen.disc(9, 17.6, 1.4, BLACK, outline=False)


def wolf(pen: Pen) -> None:
    """Howling: the only beast with its muzzle in the air."""
    coat, light = (74, 88, 116), (206, 214, 226)
    pen.line([(26, 19), (30, 25)], 4, coat)
    torso(pen, coat, body=(19, 19, 8.5, 4.8), leg=3, neck=((12, 9), 7))
    pen.line([(12, 13), (11.5, 19)], 4, light, outline=False)
    pen.polygon([(14, 6), (19, 4.5), (16, 10.5)], coat)
    pen.polygon([(8, 10.5), (15.5, 11.5), (14.5, 5.5), (4.5, 0.5), (3, 3.5)], coat)
    pen.polygon([(8.5, 10.5), (3, 3.5), (6.5, 5), (11, 9.5)], light, outline=False)
    pen.disc(4, 1.7, 1.2, BLACK, outline=False)
    pen.disc(10.5, 6.3, 1, (255, 220, 60), outline=False)


def llama(pen: Pen) -> None:
    """Cream, a neck like a chimney, a bright blanket."""
    coat = (250, 240, 222)
    pen.disc(28, 15.5, 2.3, coat)
    torso(pen, coat, body=(20, 18.5, 8.4, 5.4), leg=3, neck=((10, 6), 5.2))
    pen.polygon([(17, 13), (24, 13), (25.5, 20), (16, 20)], (222, 40, 120), outline=False)
    pen.line([(16.4, 16.5), (25, 16.5)], 1.6, (60, 200, 220), outline=False)
    for x in (8.6, 12):
        pen.line([(x, 4), (x + 0.3, 0.8)], 1.8, coat)
    head(pen, 9.5, 6, 3.3, coat, muzzle=(226, 206, 180), reach=3, drop=1.2)


def camel(pen: Pen) -> None:
    """Sand, with two humps."""
    coat = (214, 160, 88)
    pen.line([(28, 17), (30, 23)], 1.8, coat)
    torso(pen, coat, body=(20, 18, 8.6, 4.2), leg=2.8, neck=((11, 16), 4.5))
    for x in (16.5, 24):
        pen.ellipse(x, 12.5, 3.4, 5.4, shade(coat, 0.92))
    pen.line([(13, 17.5), (8, 19), (6.5, 14), (6.8, 8)], 3.8, coat)
    head(pen, 6.8, 7, 3, coat, muzzle=coat, reach=2.8, drop=1.6)
    pen.disc(9, 4.3, 1.4, coat)


def pig(pen: Pen) -> None:
    """Pink and round, with a curly tail."""
    pen.line(arc(29, 14, 1.6, 1.8, -180, 150, 9), 1.5, shade(PINK, 0.9))
    torso(pen, PINK, body=(18.5, 18, 10, 7.2), leg=4, neck=((10, 15), 9), ground=29)
    for x in (6.0, 13.0):
        pen.polygon([(x - 2, 9), (x - 1, 4.4), (x + 2.6, 8.4)], shade(PINK, 0.85))
    pen.disc(9, 14, 6.4, PINK)
    pen.ellipse(6.6, 16, 3.4, 2.6, (225, 100, 130))
    for x in (5.4, 7.8):
        pen.disc(x, 16, 0.7, BLACK, outline=False)
    for x in (5.2, 11):
        pen.disc(x, 11.6, 1, BLACK, outline=False)


def elephant(pen: Pen) -> None:
    """Grey, with trunk, tusk and a big ear."""
    coat = (126, 140, 168)
    pen.line([(28.5, 14), (30.5, 20)], 1.6, coat)
    torso(pen, coat, body=(19.5, 15.5, 10, 8), leg=5, neck=((10, 11), 9))
    pen.line([(6, 12), (3, 19), (4, 26), (7, 27)], 3.6, coat)
    pen.disc(8.5, 10.5, 5.8, coat)
    pen.line([(6.5, 16), (9, 19.5)], 1.8, WHITE)
    pen.ellipse(14, 11, 4.4, 6.2, shade(coat, 0.8))
    pen.ellipse(14, 11.4, 2.4, 4, PINK, outline=False)
    pen.disc(6.6, 9, 1.1, BLACK, outline=False)


def giraffe(pen: Pen) -> None:
    """Yellow with brown spots, all neck."""
    coat, spot = (250, 206, 60), (150, 82, 24)
    pen.line([(27.5, 20), (30, 25)], 1.8, spot)
    torso(pen, coat, body=(20.5, 20, 7.5, 4), leg=2.6, neck=((9, 5), 4.4))
    blots(pen, [(12.2, 10), (14, 14), (11, 7), (17, 18.6), (21, 18), (25, 19.6), (19.5, 22), (16, 16.6)], 1.3, spot)
    for x in (7.8, 10.6):
        pen.line([(x, 3), (x, 0.8)], 1.3, spot)
    head(pen, 8.5, 4.6, 2.9, coat, muzzle=CREAM, reach=3.6, drop=1.6, ears="side")


def panda(pen: Pen) -> None:
    """Sitting, seen from the front."""
    for x in (8, 24):
        pen.disc(x, 4.5, 3.2, BLACK)
        pen.ellipse(x, 28, 4, 3, BLACK)
    pen.ellipse(16, 22.5, 9, 7.5, WHITE)
    for side in (-1, 1):
        pen.line([(16 + side * 8, 18), (16 + side * 9.5, 24)], 4.4, BLACK)
    pen.ellipse(16, 11, 9.2, 8, WHITE)
    for side in (-1, 1):
        pen.ellipse(16 + side * 4, 10.5, 2.6, 3, BLACK, outline=False)
        pen.disc(16 + side * 3.6, 10.2, 0.9, WHITE, outline=False)
    pen.ellipse(16, 14.8, 1.7, 1.2, BLACK, outline=False)


def donkey(pen: Pen) -> None:
    """Grey, with long upright ears and a white muzzle."""
    coat = (134, 124, 124)
    pen.line([(27.5, 16), (30, 22)], 1.6, coat)
    pen.disc(30, 23.5, 1.8, BLACK)
    torso(pen, coat, body=(19.5, 18, 8.6, 5.2), leg=3, neck=((10, 11), 6))
    pen.ellipse(18, 21.8, 5, 1.6, WHITE, outline=False)
    pen.line([(14, 7.5), (16.5, 13)], 2.4, BLACK)
    for x, tip in ((8, 6.6), (11.5, 13)):
        pen.line([(x, 8), (tip, 1.5)], 2.8, coat)
        pen.line([(x, 7), (tip, 2.5)], 1, PINK, outline=False)
    head(pen, 9.5, 10.5, 4, coat, muzzle=WHITE, reach=4.2, drop=3.4)


def leopard(pen: Pen) -> None:
    """Yellow, with black spots and a long tail."""
    coat = (250, 200, 84)
    pen.line([(26, 18), (30, 16), (29, 9), (26.5, 7)], 2.4, coat)
    torso(pen, coat, body=(18.5, 19.5, 9, 4.6), leg=3.2, neck=((9, 14.5), 6))
    back = [(12.5, 18), (16, 16.6), (20, 16.6), (24, 17.8), (14.5, 21), (18.4, 20.2), (22.4, 21), (25.5, 21)]
    blots(pen, back, 1.25, BLACK)
    blots(pen, [(11.4, 25), (21.8, 25.2), (29.4, 12)], 0.9, BLACK)
    head(pen, 8.5, 13, 4.8, coat, muzzle=CREAM, reach=3, drop=1.8, ears="round", ear=BLACK)
    blots(pen, [(8, 9.7), (11, 11), (11.6, 14)], 0.8, BLACK)


def moose(pen: Pen) -> None:
    """Dark, with antlers like shovels and a beard."""
    coat, horn = (76, 50, 40), (224, 188, 130)
    torso(pen, coat, body=(20, 16.5, 9, 6), leg=3, legs=(150, 130, 112), neck=((10.5, 12), 7))
    pen.disc(15.5, 11.5, 4, coat)
    for side in (-1, 1):
        pen.polygon(
            [(10 + side * 1, 8.5), (10 + side * 4, 6.5), (10 + side * 9.5, 5), (10 + side * 9.5, 0.6),
             (10 + side * 7, 2.8), (10 + side * 5, 0.6), (10 + side * 4, 4)], horn,
        )  # fmt: skip
    head(pen, 9.5, 11, 3.8, coat, muzzle=shade(coat, 1.3), reach=3.8, drop=4.6)
    pen.line([(9, 16), (9, 19.5)], 2, coat)


def rabbit(pen: Pen) -> None:
    """Sitting, seen from the front, with ears as long as its face."""
    coat = (240, 226, 232)
    pen.disc(25, 25, 3, WHITE)
    pen.ellipse(16, 24, 8, 6.4, coat)
    for side in (-1, 1):
        pen.ellipse(16 + side * 3.6, 6, 2.4, 6.4, coat)
        pen.ellipse(16 + side * 3.6, 6.4, 1.2, 4.8, (250, 120, 150), outline=False)
        pen.ellipse(16 + side * 4.6, 29, 3.2, 1.8, coat)
    pen.ellipse(16, 15, 6.6, 5.6, coat)
    for side in (-1, 1):
        pen.disc(16 + side * 2.8, 14, 1.1, (190, 30, 70), outline=False)
    pen.disc(16, 16.6, 1.2, (250, 120, 150), outline=False)
    pen.line([(16, 18.4), (16, 20)], 2, WHITE, outline=False)


def squirrel(pen: Pen) -> None:
    """Red, with a tail as large as itself and an acorn."""
    coat, light = (186, 76, 30), (246, 216, 170)
    pen.line([(21, 27), (27, 25), (28, 17), (24.5, 11), (26, 5)], 6.4, coat)
    pen.line([(26.5, 22), (27.6, 17), (24.6, 11)], 2, shade(coat, 1.3), outline=False)
    pen.ellipse(16, 22.5, 5.6, 7, coat)
    pen.ellipse(14, 23, 3, 5, light, outline=False)
    pen.ellipse(17, 29, 5, 1.8, coat)
    head(pen, 12.5, 12.5, 4.8, coat, muzzle=light, reach=2.6, drop=1.6, ears="pointed")
    pen.disc(8.5, 21.5, 2.4, (240, 190, 80))
    pen.line([(6.8, 20), (10.2, 20)], 1.7, (92, 60, 30))
    pen.line([(14, 19.5), (10.5, 21.5)], 2, coat)


def mouse(pen: Pen) -> None:
    """Two ears larger than its face, seen from the front."""
    coat, pink = (178, 184, 196), (250, 150, 176)
    pen.line([(20, 27), (28, 28), (29.5, 22), (27, 18)], 1.7, pink)
    pen.ellipse(16, 24, 6.6, 6, coat)
    for x in (6.5, 25.5):
        pen.disc(x, 8, 6, coat)
        pen.disc(x, 8.2, 4, pink, outline=False)
    pen.polygon([(8.4, 12), (16, 8), (23.6, 12), (16, 22)], coat)
    pen.disc(16, 13, 6.2, coat)
    for x in (13, 19):
        pen.disc(x, 12.4, 1.2, BLACK, outline=False)
    pen.disc(16, 18.6, 1.8, pink)


def rat(pen: Pen) -> None:
    """Low and long, with a bare tail as long as its body."""
    coat, pink = (84, 74, 72), (244, 140, 150)
    pen.line([(24, 23), (30, 22), (29.5, 13), (22, 9), (19, 5)], 2.2, pink)
    pen.ellipse(18, 20.5, 9.5, 6.8, coat)
    for x in (11, 22):
        pen.line([(x, 26), (x - 1.6, 28)], 2.4, pink)
    pen.polygon([(14, 14.5), (15, 26), (2, 23.5), (1.4, 21.5)], coat)
    pen.disc(13, 13.6, 2.8, pink)
    pen.disc(2.2, 22, 1.4, pink)
    pen.disc(8.6, 19, 1.2, (250, 40, 40), outline=False)
    pen.line([(3.6, 25.6), (6, 25.2)], 1.2, WHITE, outline=False)


def hedgehog(pen: Pen) -> None:
    """A dome of spines above a pointed face."""
    spine, face = (96, 66, 48), (240, 204, 150)
    dome = arc(18.5, 24, 12, 15.5, 180, 360, 14)
    spikes: list[Point] = []
    for index, (x, y) in enumerate(dome):
        reach = 1.12 if index % 2 else 0.9
        spikes.append((18.5 + (x - 18.5) * reach, 24 + (y - 24) * reach))
    pen.polygon([*spikes, (29, 27), (10, 27)], spine)
    for x, y in ((14, 17), (19, 14), (24, 17), (17, 21), (22, 22), (27, 22)):
        pen.line([(x, y), (x + 1.4, y - 2.4)], 1.1, (224, 190, 150), outline=False)
    pen.polygon([(12.5, 17.5), (14, 27.6), (4, 27), (1.8, 24)], face)
    pen.ellipse(19, 26.6, 9, 2, face)
    pen.disc(2.4, 24, 1.6, BLACK)
    pen.disc(9, 22, 1.2, BLACK, outline=False)


def kangaroo(pen: Pen) -> None:
    """Upright, on a long foot and a thick tail, a joey in the pouch."""
    coat, light = (200, 126, 84), (244, 212, 172)
    pen.polygon([(17, 19), (22, 22), (31, 27.5), (30.5, 30), (18, 28)], coat)
    pen.ellipse(17, 20.5, 6.2, 8, coat)
    pen.ellipse(14.2, 21, 3.2, 5.6, light, outline=False)
    pen.line([(18, 26), (9, 29)], 3, coat)
    pen.line([(15, 14), (12, 8)], 5, coat)
    pen.line([(14, 15.5), (8.5, 18)], 2.4, coat)
    pen.disc(12, 20.5, 2.2, coat)
    pen.disc(11.4, 20, 0.7, BLACK, outline=False)
    head(pen, 11.5, 8, 3.4, coat, muzzle=light, reach=3.4, drop=1.4, ears="long")


def monkey(pen: Pen) -> None:
    """Seen from the front, arms up, a banana in one hand."""
    coat, face = (132, 80, 40), (246, 204, 154)
    pen.line([(20, 27), (27, 29), (30, 24), (27, 21)], 2, coat)
    pen.line([(11, 20), (4, 17), (4.5, 10)], 3, coat)
    pen.line([(21, 20), (27.5, 17), (27, 11)], 3, coat)
    pen.line([(24, 3.6), (27.6, 6.4), (28, 11)], 2.8, (255, 226, 40))
    pen.ellipse(16, 23.5, 6.2, 6.6, coat)
    pen.ellipse(16, 24, 3.6, 4.4, face, outline=False)
    for x in (8.0, 24.0):
        pen.disc(x, 11, 3, face)
    pen.disc(16, 10, 7.6, coat)
    pen.ellipse(16, 13, 5, 4, face, outline=False)
    for x in (13.4, 18.6):
        pen.disc(x, 9, 2.4, face, outline=False)
        pen.disc(x, 9.4, 1.1, BLACK, outline=False)
    pen.line([(13.6, 14.6), (18.4, 14.6)], 0.9, (150, 50, 40), outline=False)


def gorilla(pen: Pen) -> None:
    """Front view: arms like pillars, down to the ground."""
    coat, skin = (46, 46, 56), (130, 128, 140)
    pen.ellipse(16, 21, 9, 8, coat)
    for side in (-1, 1):
        pen.line([(16 + side * 8, 14), (16 + side * 11.6, 20), (16 + side * 11, 28)], 6, coat)
        pen.ellipse(16 + side * 4.5, 28.4, 3.6, 2, coat)
    pen.ellipse(16, 19, 5, 3.6, skin, outline=False)
    pen.ellipse(16, 8.6, 6.6, 7.4, coat)
    pen.ellipse(16, 10.5, 4.6, 4.4, skin, outline=False)
    pen.line([(12.4, 7.4), (19.6, 7.4)], 2, coat, outline=False)
    for x in (14, 18):
        pen.disc(x, 9.2, 1.1, (255, 170, 60), outline=False)
    pen.ellipse(16, 12.2, 2, 1, BLACK, outline=False)


def bat(pen: Pen) -> None:
    """Wings spread from edge to edge."""
    coat, wing = (96, 60, 130), (64, 38, 96)
    for side in (-1, 1):
        pen.polygon(
            [(16 + side * 3, 12), (16 + side * 9, 6), (16 + side * 15.4, 9), (16 + side * 14, 20),
             (16 + side * 11, 16.5), (16 + side * 9, 23), (16 + side * 6.4, 18.5), (16 + side * 3, 22)], wing,
        )  # fmt: skip
        pen.polygon([(16 + side * 0.8, 10), (16 + side * 4.6, 2.6), (16 + side * 5, 11)], coat)
    pen.ellipse(16, 19, 4.2, 6.6, coat)
    pen.disc(16, 12, 5, coat)
    for x in (14, 18):
        pen.disc(x, 11.4, 1.3, (255, 230, 80), outline=False)
        pen.polygon([(x - 0.8, 14.4), (x + 0.8, 14.4), (x, 17)], WHITE, outline=False)


_ALL = (
    cat, dog, horse, zebra, sheep, deer, cow, goat, lion, tiger, bear, raccoon, fox, wolf, llama, camel, pig,
    elephant, giraffe, panda, donkey, leopard, moose, rabbit, squirrel, mouse, rat, hedgehog, kangaroo, monkey,
    gorilla, bat,
)  # fmt: skip
DRAWINGS = {drawing.__name__: drawing for drawing in _ALL}
