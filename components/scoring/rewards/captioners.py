"""Models that say what they see, by name.

A vision-language model joins here: a class with `identity` and `answer`, under a name of its own.
"""

# N pictures
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image
from pydantic import JsonValue

from components.core.errors import BadRequest
from components.policy.tiny.animals import Subject
from components.policy.tiny.captioner import NO_ACTIVITY
from components.policy.tiny.captioner import Captioner as TinyNetwork
from components.policy.tiny.captions import caption
from components.scoring.rewards import embedded


class Captioner(Protocol):
    """Answers a question about each picture."""

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""

    def answer(self, pictures: list[Image.Image], question: str) -> list[str]:
        """One answer a picture; empty where the model says nothing."""


@runtime_checkable
class Recogniser(Protocol):
    """A captioner that also says how sure it is, over closed lists of names."""

    animals: tuple[str, ...]
    activities: tuple[str, ...]
    no_activity: str
    """The name among `activities` for an animal that does nothing in particular."""

    def recognise(self, pictures: list[Image.Image], question: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The answers, p(animal) [N, animals] and p(activity) [N, activities], from one pass; each row sums to 1."""


class TinyCaptioner:
    """The captioner of the embedded tiny base. It knows one question: what is going on in the picture."""

    no_activity = NO_ACTIVITY

    def __init__(self) -> None:
        self._path = embedded.directory("captioner")
        self._network = TinyNetwork.load(self._path)
        self.animals, self.activities = self._network.animals, self._network.activities

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""
        return embedded.identity(self._path, "torch")

    def answer(self, pictures: list[Image.Image], question: str) -> list[str]:
        """The likeliest animal and activity in words: `a cat riding a bike`."""
        captions, _, _ = self.recognise(pictures, question)
        return captions

    def recognise(self, pictures: list[Image.Image], question: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The answers, p(animal) [N, 60] and p(activity) [N, 7]."""
        animal_NA, activity_NB = self._network.probabilities(pictures)
        likeliest = zip(animal_NA.argmax(-1), activity_NB.argmax(-1), strict=True)
        return [self._say(self.animals[a], self.activities[b]) for a, b in likeliest], animal_NA, activity_NB

    def _say(self, animal: str, activity: str) -> str:
        return caption(Subject(animal, None if activity == self.no_activity else activity))


CAPTIONERS: dict[str, Callable[[], Captioner]] = {"tiny": TinyCaptioner}


def load_captioner(name: str) -> Captioner:
    """The captioner of this name. Raises BadRequest, naming those there are."""
    if name not in CAPTIONERS:
        raise BadRequest(f"no captioner named {name!r}", hint=f"there is {', '.join(CAPTIONERS)}")
    return CAPTIONERS[name]()
