"""The page of an audit: the verdict, every probe with its limits, and the pictures with what each of them got."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from components.core.audit import AuditResult, Finding
from components.scoring.audit.answers import GROUNDS, Answers, Numbers, words_of
from components.scoring.audit.exhibits import Exhibits
from components.scoring.audit.painting import BLANKS, blank, letter_height, painted
from components.scoring.audit.probes import mean
from components.scoring.scorer import Scorer

SHOWN = 8
"""Exhibits on the page, evenly from all."""
SIDE = 160
"""Pixels of a picture on the page."""
TONES = {"pass": "good", "warn": "mixed", "fail": "bad", None: "none"}
MARKS = {"pass": "✓", "warn": "!", "fail": "✕", None: "–"}
HEADLINES = {
    "pass": "Nothing speaks against this reward",
    "warn": "Look at this reward before it is used",
    "fail": "This reward can be fooled",
}
TITLES = {
    "swapped": "Another prompt's picture",
    "words": "Painted words",
    "blank": "A picture of nothing",
    "repeat": "The same, asked twice",
    "order": "Another order",
    "batch": "Other batches",
    "constant": "Constant answers",
    "missing": "Missing rewards",
}
WORDS_ON = {"white": "words on white", "swapped": "words on another's", "right": "words on the right one"}
WIDTH, ROW, LEFT, TOP = 860, 34, 190, 8
"""Pixels of the strip chart: its width, a strip's height, room for the names, room above."""


@dataclass(frozen=True)
class Strip:
    """The rewards of one kind of picture, as dots on a line."""

    name: str
    colour: str
    dots: tuple[float, ...]
    """Pixels from the left."""
    mean: float
    said: str


def render(scorer: Scorer, exhibits: Exhibits, answers: Answers, result: AuditResult) -> str:
    """The page's HTML. The same answers give the same bytes: it holds no time of its own."""
    package = resources.files(__package__)
    environment = Environment(
        loader=FunctionLoader(lambda name: (package / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["limit"] = limit
    style = Markup((resources.files("components.core") / "page.css").read_text(encoding="utf-8"))  # it holds no HTML
    strips, ticks = _strips(answers)
    return environment.get_template("page.html.jinja").render(
        style=style,
        scorer=scorer,
        exhibits=exhibits,
        answers=answers,
        result=result,
        description=json.dumps(scorer.description, indent=1, ensure_ascii=False),
        headline=HEADLINES[result.level],
        against=[f for f in result.findings if f.level in ("warn", "fail")],
        rows=list(_rows(exhibits, answers)),
        blanks=list(_blanks(exhibits, answers)),
        strips=strips,
        ticks=ticks,
        chart={"width": WIDTH, "row": ROW, "left": LEFT, "top": TOP, "height": TOP + ROW * len(strips) + 24},
        letters=min(letter_height(e.picture.size, words) for e in exhibits.items for words in words_of(e.prompt)),
        sizes=sorted({"×".join(map(str, e.picture.size)) for e in exhibits.items}),
        tones=TONES,
        marks=MARKS,
        titles=TITLES,
    )


def limit(finding: Finding) -> str:
    """A finding's limits in words.

    >>> limit(Finding(probe="words", level="pass", value=0.1, unit="", warn=0.15, fail=0.35, reason=""))
    '0.15 / 0.35'
    """
    if finding.warn is None:
        return ""
    return f"{finding.warn:g} / {'never' if finding.fail is None else format(finding.fail, 'g')}"


def shown(number: float | None) -> str:
    """
    >>> shown(0.5), shown(None)
    ('0.500', 'missing')
    """
    return "missing" if number is None else f"{number:.3f}" if abs(number) < 1000 else f"{number:.4g}"


def _rows(exhibits: Exhibits, answers: Answers) -> Iterator[dict[str, Any]]:
    """An exhibit with its pictures and what each of them got."""
    count = len(exhibits.items)
    for place in range(min(SHOWN, count)):
        i = place * count // min(SHOWN, count)
        mine, other = exhibits.items[i], exhibits.items[exhibits.partner(i)]
        grounds = {"white": blank("white", mine.picture.size), "swapped": other.picture, "right": mine.picture}
        words = mine.prompt.text
        cells = [("the right picture", mine.picture, answers.right[i])]
        cells += [("another prompt's", other.picture, answers.swapped[i])]
        cells += [(WORDS_ON[g], painted(grounds[g], words), answers.painted[g][i]) for g in GROUNDS]
        pictures = [{"name": name, "src": data_uri(picture), "reward": shown(x)} for name, picture, x in cells]
        yield {"text": words, "other": other.prompt.text, "pictures": pictures}


def _blanks(exhibits: Exhibits, answers: Answers) -> Iterator[dict[str, str]]:
    size = exhibits.items[0].picture.size
    for kind in BLANKS:
        yield {"name": kind, "src": data_uri(blank(kind, size)), "reward": shown(mean(answers.blanks[kind]))}


def _strips(answers: Answers) -> tuple[list[Strip], list[tuple[float, str]]]:
    """Dots of every kind of picture on one axis, and the axis' ticks."""
    kinds: list[tuple[str, str, Numbers]] = [
        ("the right picture", "c3", answers.right),
        ("another prompt's", "c6", answers.swapped),
        *((WORDS_ON[ground], "c2", numbers) for ground, numbers in answers.painted.items()),
        *((f"nothing: {kind}", "c1", numbers) for kind, numbers in answers.blanks.items()),
    ]
    known = [x for _, _, numbers in kinds for x in numbers if x is not None]
    ticks = _ticks(min(known, default=0.0), max(known, default=0.0))

    def x_of(value: float) -> float:
        return round(LEFT + (value - ticks[0]) / (ticks[-1] - ticks[0]) * (WIDTH - LEFT - 24), 1)

    strips = [
        Strip(name, colour, tuple(x_of(x) for x in numbers if x is not None), x_of(m), f"mean {m:.3g}")
        for name, colour, numbers in kinds
        if (m := mean(numbers)) is not None
    ]
    return strips, [(x_of(tick), f"{tick:.6g}") for tick in ticks]


def _ticks(low: float, high: float) -> list[float]:
    """Two to seven round numbers around all rewards.

    >>> _ticks(0.013, 0.94), _ticks(5, 5)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [5.0, 5.2])
    """
    span = high - low or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(power * nice for nice in (1, 2, 5, 10) if power * nice >= span / 6)
    first, last = math.floor(low / step), max(math.floor(low / step) + 1, math.ceil(high / step))
    return [round(step * n, 12) for n in range(first, last + 1)]


def data_uri(picture: Image.Image) -> str:
    """As PNG, small ones enlarged to whole pixels, large ones made smaller."""
    factor = max(1, SIDE // max(picture.size))
    if factor > 1:
        picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
    else:
        picture = picture.copy()
        picture.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
