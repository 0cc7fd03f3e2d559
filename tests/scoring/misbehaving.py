"""A reward that does, on demand, what rewards in the wild do."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from PIL import Image
from pydantic import JsonValue

from components.core.config import Contract
from components.core.errors import Unavailable
from components.core.records import PromptRow
from components.scoring.rewards.reward import Score


class MisbehavingOptions(Contract):
    behaviour: str = "number"
    pictures: tuple[int, ...] | None = None
    """Index of each picture that it happens to; None: all."""


class Misbehaving:
    Options = MisbehavingOptions
    made: ClassVar[list[str]] = []
    """Behaviour of each that was made in this process."""

    def __init__(self, options: MisbehavingOptions) -> None:
        self.options = options
        self.made.append(options.behaviour)
        self.batches: list[int] = []

    def identity(self) -> dict[str, JsonValue]:
        return {}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Any]:
        self.batches.append(len(pictures))
        chosen = self.options.pictures
        answers = [self._answer() if chosen is None or p.index in chosen else 0.5 for p in prompts]
        return answers[1:] if self.options.behaviour == "one short" else answers

    def _answer(self) -> Any:
        match self.options.behaviour:
            case "nan" | "inf" | "-inf":
                return float(self.options.behaviour)
            case "integer":
                return 3
            case "none":
                return None
            case "words":
                return "very good"
            case "parts":
                return Score(1.0, {"heat": math.nan})
            case "raise":
                raise RuntimeError("the model\nfell over")
            case "busy":
                raise Unavailable("the reward server is busy")
            case _:
                return 0.25


class NoReward:
    """Has neither options nor an identity."""

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[float]:
        return [0.0] * len(pictures)
