"""The captioner of the embedded tiny base: closed lists of animals and activities, and one question."""

# N pictures
from __future__ import annotations

import numpy as np
from PIL import Image
from pydantic import JsonValue

from components.policy.tiny.animals import Subject
from components.policy.tiny.captioner import NO_ACTIVITY
from components.policy.tiny.captioner import Captioner as TinyNetwork
from components.policy.tiny.captions import caption
from components.scoring.rewards import embedded


class TinyCaptioner:
    """It says what is going on in the picture, and how sure it is."""

    answers_any_question = False
    no_activity = NO_ACTIVITY

    def __init__(self) -> None:
        self._path = embedded.directory("captioner")
        self._network = TinyNetwork.load(self._path)
        self.animals, self.activities = self._network.animals, self._network.activities

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""
        return embedded.identity(self._path, "torch")

    def answer(self, pictures: list[Image.Image], questions: list[str], *, again: bool = False) -> list[str]:
        """The likeliest animal and activity in words: `a cat riding a bike`. It is never silent."""
        captions, _, _ = self.recognise(pictures)
        return captions

    def recognise(self, pictures: list[Image.Image]) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The captions, p(animal) [N, 60] and p(activity) [N, 7]."""
        animal_NA, activity_NB = self._network.probabilities(pictures)
        likeliest = zip(animal_NA.argmax(-1), activity_NB.argmax(-1), strict=True)
        return [self._say(self.animals[a], self.activities[b]) for a, b in likeliest], animal_NA, activity_NB

    def _say(self, animal: str, activity: str) -> str:
        return caption(Subject(animal, None if activity == self.no_activity else activity))
