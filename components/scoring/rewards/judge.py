"""The judge: which animal is this? 1 if it is the prompt's, else 0. Shown beside a reward, never optimised.

A zero-shot classifier of another architecture than the captioner, so that pleasing the one does not please the other.
"""

# N pictures · A animals
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from PIL import Image
from pydantic import JsonValue

from components.core.config import Contract
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.policy.tiny.animals import ANIMALS
from components.policy.tiny.judge import Judge as TinyClip
from components.scoring.rewards import embedded
from components.scoring.rewards.reward import Score


class Classifier(Protocol):
    """Tells names apart. A CLIP of another size joins here, under a name of its own."""

    names: tuple[str, ...]

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""

    def probabilities(self, pictures: list[Image.Image]) -> np.ndarray:
        """[N, names]; each row sums to 1."""


class TinyClassifier:
    """The CLIP-style judge of the embedded tiny base, among its sixty animals."""

    names: tuple[str, ...] = ANIMALS

    def __init__(self) -> None:
        self._path = embedded.directory("judge")
        self._clip = TinyClip.load(self._path)

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""
        return embedded.identity(self._path, "torch", "transformers")

    def probabilities(self, pictures: list[Image.Image]) -> np.ndarray:
        """[N, 60]."""
        return self._clip.animal_probabilities(pictures)


CLASSIFIERS: dict[str, Callable[[], Classifier]] = {"tiny": TinyClassifier}


class JudgeOptions(Contract):
    """Which classifier judges."""

    model: str = "tiny"
    """`tiny`: the embedded one."""


class ZeroShotJudge:
    """1 if the picture's likeliest name is the prompt's animal, else 0."""

    Options = JudgeOptions

    def __init__(self, options: JudgeOptions) -> None:
        if options.model not in CLASSIFIERS:
            raise BadRequest(f"no judge named {options.model!r}", hint=f"there is {', '.join(CLASSIFIERS)}")
        self._classifier = CLASSIFIERS[options.model]()

    def identity(self) -> dict[str, JsonValue]:
        """The classifier's."""
        return {"version": 1, "classifier": self._classifier.identity()}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: the probability of the prompt's animal, and the name that the judge gives."""
        probability_NA = self._classifier.probabilities(pictures)
        return [self._verdict(prompt, p) for prompt, p in zip(prompts, probability_NA, strict=True)]

    def _verdict(self, prompt: PromptRow, probability_A: np.ndarray) -> Score:
        named = self._classifier.names[int(probability_A.argmax())]
        if prompt.animal not in self._classifier.names:
            return Score.missing(f"{prompt.text!r} names no animal that the judge knows", named=named)
        probability = float(probability_A[self._classifier.names.index(prompt.animal)])
        return Score(float(named == prompt.animal), {"probability": probability, "named": named})
