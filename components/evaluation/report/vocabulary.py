"""How scorers, splits and numbers are called on the page."""

from __future__ import annotations

import math
from typing import NamedTuple

from components.core.contracts import Interval


class Words(NamedTuple):
    """What a scorer measures."""

    name: str
    unit: str
    """Empty where the number has none."""
    up: str
    """What a higher reward looks like."""


REWARDS = {
    "jpeg_incompressibility": Words("JPEG size", "kB", "pictures that compress badly: more detail, texture, objects"),
    "jpeg_compressibility": Words("minus JPEG size", "kB", "pictures that compress well: flat, smooth, simple"),
    "alignment": Words("caption alignment", "", "pictures in which a captioner finds what the prompt says"),
    "aesthetic": Words("aesthetic score", "", "pictures that people rated as beautiful"),
    "clip_score": Words("CLIP score", "", "pictures that CLIP finds like the prompt"),
    "pick_score": Words("PickScore", "", "pictures that people pick for the prompt"),
    "hps": Words("HPS", "", "pictures that people prefer for the prompt"),
    "image_reward": Words("ImageReward", "", "pictures that people rank higher for the prompt"),
}

SPLITS = {
    "seen": Words("seen", "", "prompts that training used"),
    "held_out": Words("held-out", "", "prompts of which training saw no part"),
    "held_out_animal": Words("held-out animal", "", "animals that training never drew, in its activities"),
    "held_out_activity": Words("held-out activity", "", "training's animals, in activities it never drew"),
    "held_out_both": Words("held-out animal and activity", "", "neither the animal nor the activity was drawn"),
    "objects": Words("objects", "", "everyday objects, of which training drew none"),
    "counting": Words("counting", "", "a number of animals"),
}

SIGNALS = {
    "kl_to_base": "distance to the base",
    "lifetime_queries": "reward queries in all",
    "statistic": "picture statistic",
}

DASH, MINUS, SPACE = "–", "\u2212", "\u00a0"
"""SPACE does not break: a number stays with its unit."""


def reward_words(scorer: str) -> Words:
    """Words of a scorer; one that is not in the list is called by its own name."""
    return REWARDS.get(scorer, Words(scorer.replace("_", " "), "", f"a higher {scorer.replace('_', ' ')}"))


def split_words(split: str) -> Words:
    """Words of a split."""
    return SPLITS.get(split, Words(split.replace("_", " "), "", f"the split {split}"))


def first_up(text: str) -> str:
    """A heading: the first letter up, the others as they are.

    >>> first_up("minus JPEG size")
    'Minus JPEG size'
    """
    return text[:1].upper() + text[1:]


def signal_words(name: str) -> str:
    """A signal's name for people.

    >>> signal_words("judge_loss:aesthetic_score"), signal_words("kl_to_base")
    ('judge loss: aesthetic score', 'distance to the base')
    """
    kind, _, which = name.partition(":")
    said = SIGNALS.get(kind, kind.replace("_", " "))
    return f"{said}: {which.replace('_', ' ')}" if which else said


def quantity(value: float | None, unit: str) -> str:
    """A value without its unit, except that a share is in percent; a dash for one that is not there.

    >>> [quantity(*q).replace(SPACE, " ") for q in ((0.35, "share of the base's"), (1234.5, "nats"), (None, "sd"))]
    ['35 %', '1,234', '–']
    """
    if value is None:
        return DASH
    if unit.startswith("share"):
        return f"{value * 100:.3g}{SPACE}%".replace("-", MINUS)
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", MINUS)


def signed(value: float, digits: int = 2) -> str:
    """A change, with its sign and a true minus.

    >>> signed(1.046), signed(-0.5), signed(-0.0001)
    ('+1.05', '−0.50', '0.00')
    """
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS) if float(text) else f"{0:.{digits}f}"


def bracketed(interval: Interval, digits: int = 2) -> str:
    """The ends of an interval.

    >>> bracketed(Interval(mean=1.0, low=-0.2, high=1.3)).replace(SPACE, " ")
    '[−0.20, +1.30]'
    """
    return f"[{signed(interval.low, digits)},{SPACE}{signed(interval.high, digits)}]"


def plain(value: float, digits: int = 2) -> str:
    """A value with a true minus."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def digits_for(spread: float) -> int:
    """Decimals that show a fiftieth of a spread, and not much less.

    >>> [digits_for(spread) for spread in (0.05, 0.4, 25.0, 0.0)]
    [3, 2, 1, 3]
    """
    return min(6, max(1, math.ceil(1.5 - math.log10(spread)))) if spread else 3


def percent(share: float) -> str:
    """A share in whole percent."""
    return f"{share * 100:.0f}{SPACE}%".replace("-", MINUS)


def duration(seconds: float) -> str:
    """A time as people say it.

    >>> [duration(seconds).replace(SPACE, " ") for seconds in (42.4, 125, 7500)]
    ['42 s', '2 min 05 s', '2 h 05 min']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{SPACE}h{SPACE}{minutes:02d}{SPACE}min"
    return f"{minutes}{SPACE}min{SPACE}{rest:02d}{SPACE}s" if minutes else f"{rest}{SPACE}s"
