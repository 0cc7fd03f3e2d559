"""Counting: does the picture show as many animals as the prompt asks for, and such animals, by a captioner's word.

Two questions, as in DDPO's public code: how many there are, and what animal it is. The reward is the mean of the two
matches: 0, 0.5 or 1. Digits and number words count, singular and plural; words count whole: there is no one in none.
"""

# N pictures
from __future__ import annotations

from PIL import Image
from pydantic import JsonValue, field_validator

from components.core import nouns
from components.core.config import Contract
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.scoring.rewards.captioners.captioner import Unanswered, ask
from components.scoring.rewards.captioners.load import load_captioner
from components.scoring.rewards.captioners.options import CaptionerOptions
from components.scoring.rewards.reward import Score
from components.scoring.rewards.spoken_numbers import numbers_said


class CountingOptions(Contract):
    """Who is asked, and in which words."""

    captioner: CaptionerOptions
    """A table with `kind = "transformers"` or `kind = "http"`: the embedded captioner cannot count."""
    how_many: str = "How many {plural} are there in this image?"
    """The first question; {plural} becomes the prompt's animals."""
    what: str = "What animal is in this image?"
    """The second question. It must not give the answer away."""

    @field_validator("how_many")
    @classmethod
    def _names_the_animals(cls, question: str) -> str:
        if "{plural}" not in question:
            raise ValueError(f"{question!r} has no {{plural}} to put the animals in")
        return question


class Counting:
    """Mean of two matches: the number, and the animal."""

    Options = CountingOptions

    def __init__(self, options: CountingOptions) -> None:
        self._options = options
        self._captioner = load_captioner(options.captioner)
        if not self._captioner.answers_any_question:
            raise BadRequest(
                f"the captioner {options.captioner} only says what is going on: it cannot be asked how many there are",
                hint='choose a captioner with kind = "transformers" or kind = "http"',
            )

    def identity(self) -> dict[str, JsonValue]:
        """The captioner's."""
        return {"version": 1, "captioner": self._captioner.identity()}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """0, 0.5 or 1. Missing for a prompt without number or animal, and where a question has no answer."""
        scores = [Score.missing(f"{row.text!r} does not say how many of which animal") for row in prompts]
        asked = [i for i, row in enumerate(prompts) if row.count is not None and row.animal is not None]
        seen = [pictures[i] for i in asked]
        questions = [self._options.how_many.replace("{plural}", nouns.plural(prompts[i].animal or "")) for i in asked]
        how_many = ask(self._captioner, seen, questions)
        what = ask(self._captioner, seen, [self._options.what] * len(seen))
        for i, number, animal in zip(asked, how_many, what, strict=True):
            scores[i] = _score(prompts[i], number, animal)
        return scores


def _score(prompt: PromptRow, how_many: str | Unanswered, what: str | Unanswered) -> Score:
    said: dict[str, JsonValue] = {}
    if isinstance(how_many, str):
        said["how_many"] = how_many
    if isinstance(what, str):
        said["what"] = what
    for answer in (how_many, what):
        if isinstance(answer, Unanswered):
            return Score.missing(answer.reason, **said)
    number = prompt.count in numbers_said(str(how_many))
    animal = nouns.mentions(nouns.words(str(what)), prompt.animal or "")
    parts: dict[str, JsonValue] = {"caption": f"{how_many} / {what}", "number_right": number, "animal_right": animal}
    return Score((number + animal) / 2, said | parts)
