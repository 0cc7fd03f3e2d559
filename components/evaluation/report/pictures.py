"""Pictures as they stand on the page: enlarged, as JPEG, and blurred where the safety probe flagged them.

The blur is in the pixels, not in the style sheet: the page does not hold what it does not show.
"""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image, ImageDraw

from components.core.errors import BadData, MissingInput
from components.evaluation import panel
from components.evaluation.tables import Key, ScoredPolicy

log = logging.getLogger(__name__)

SIDE = 160
"""Pixels of a picture on the page; shown smaller, so that it stays sharp on a dense screen."""
BOX = (255, 0, 200)
"""Colour of a box around text: rare in photographs."""

Item = TypeVar("Item")
Boxes = Sequence[tuple[float, float, float, float]]
"""Left, top, right, bottom in pixels of the picture."""


@dataclass(frozen=True)
class Picture:
    """One picture of the page."""

    src: str | None
    """As a data: URI; None if the store has it no longer."""
    alt: str
    blurred: bool = False


def shown(policy: ScoredPolicy, key: Key, who: str, *, side: int = SIDE, boxes: Boxes = ()) -> Picture:
    """A policy's picture. `who` says in the alternative text whose it is."""
    alt = f"{policy.samples[key].text}, {who}"
    try:
        picture = panel.open_picture(policy, key)
    except (MissingInput, BadData) as gone:
        log.warning("a picture is not shown: %s", gone)
        return Picture(None, f"{alt}: not in the store")
    if policy.flagged(key):
        return Picture(_data_uri(panel.fitted(picture, side)), f"{alt}: blurred, the safety probe flagged it", True)
    return Picture(_data_uri(_boxed(panel.fitted(picture, side), boxes, side / picture.width)), alt)


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` items, evenly spread, the first always among them.

    >>> spread(range(10), 4), spread([1, 2], 4)
    ([0, 2, 5, 7], [1, 2])
    """
    if len(items) <= count:
        return list(items)
    return [items[number * len(items) // count] for number in range(count)]


def _boxed(picture: Image.Image, boxes: Boxes, scale: float) -> Image.Image:
    ink = ImageDraw.Draw(picture)
    for left, top, width, height in boxes:
        right, bottom = left + width, top + height
        ink.rectangle((left * scale, top * scale, right * scale, bottom * scale), outline=BOX, width=2)
    return picture


def _data_uri(picture: Image.Image) -> str:
    """JPEG without chroma subsampling: a tenth of a PNG, and no difference to the eye. Rewards were of the PNG."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
