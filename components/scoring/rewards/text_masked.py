"""Another reward, of the picture without what looks like painted text: does it pay for the picture, or for words in it?

The difference to the plain reward is what the words are worth. Text is looked for by `text_boxes`, and painted over
with its surroundings. A picture without text keeps its plain reward, to the bit.
"""

# H W picture
from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from PIL import Image
from pydantic import Field, JsonValue

from components.core.config import Contract, RewardConfig
from components.core.records import PromptRow
from components.scoring.rewards.reward import Score
from components.scoring.rewards.text_boxes import Box, find_text
from components.scoring.scorer import load_scorers

RADIUS = 5
"""Pixels around a box that its filling is mixed from."""


class TextMaskedOptions(Contract):
    """Which reward sees the masked picture."""

    reward: RewardConfig = RewardConfig()
    """The reward to ask. A plan fills in the run's own."""
    min_side: int = Field(default=64, ge=64)
    """Shorter side in pixels from which text is looked for: below 64 a letter is a blot."""


class TextMasked:
    """The reward of the picture with its text painted over."""

    Options = TextMaskedOptions

    def __init__(self, options: TextMaskedOptions) -> None:
        self._min_side = options.min_side
        (self._scorer,) = load_scorers([options.reward])

    def identity(self) -> dict[str, JsonValue]:
        """The detector, what it is made of, and all that the asked reward is."""
        return {"version": 1, "opencv": cv2.__version__, "reward": self._scorer.description}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: the boxes, and the share of the picture that they cover. Missing for a picture that is too small."""
        large = [i for i, picture in enumerate(pictures) if min(picture.size) >= self._min_side]
        boxes = [find_text(pictures[i]) for i in large]
        # A picture that is not changed stays the same object: its score is known where the reward was just asked.
        masked = [mask_text(pictures[i], found) for i, found in zip(large, boxes, strict=True)]
        asked = self._scorer.scores([prompts[i] for i in large], masked)
        scores = [Score.missing(f"text is looked for from {self._min_side} px upwards")] * len(pictures)
        for i, found, score in zip(large, boxes, asked, strict=True):
            scores[i] = replace(score, parts={"text_area": text_area(found, pictures[i].size), "boxes": _rows(found)})
        return scores


def mask_text(picture: Image.Image, boxes: list[Box]) -> Image.Image:
    """The picture with its boxes filled from their surroundings; without a box it is the same object."""
    if not boxes:
        return picture
    rgb = np.asarray(picture.convert("RGB"))
    mask_HW = np.zeros(rgb.shape[:2], np.uint8)
    for x, y, w, h in boxes:
        mask_HW[y : y + h, x : x + w] = 1
    if mask_HW.all():  # nothing is left to mix from
        mean = np.broadcast_to(rgb.mean(axis=(0, 1)).round().astype(np.uint8), rgb.shape)
        filled = Image.fromarray(mean.copy())
    else:  # not INPAINT_TELEA: it adds a noise of three levels, which a JPEG reward would pay for
        filled = Image.fromarray(cv2.inpaint(rgb, mask_HW, RADIUS, cv2.INPAINT_NS))
    filled.format = picture.format
    return filled


def text_area(boxes: list[Box], size: tuple[int, int]) -> float:
    """Share of a picture that boxes cover; they do not overlap.

    >>> text_area([(0, 0, 8, 4), (10, 10, 4, 8)], (16, 16))
    0.25
    """
    return sum(w * h for _, _, w, h in boxes) / (size[0] * size[1])


def _rows(boxes: list[Box]) -> JsonValue:
    return [list(box) for box in boxes]
