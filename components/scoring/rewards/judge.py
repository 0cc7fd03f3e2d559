"""The judge: which animal is this? 1 if it is the prompt's, else 0. Shown beside a reward, never optimised.

Its rows also carry what it saw, the picture's embedding: whether a policy still draws different pictures is measured on
these, where no model is at hand.

A zero-shot classifier of another architecture than the captioner, so that pleasing the one does not please the other.
"""

# N pictures · A animals · D size of an embedding
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from pydantic import JsonValue

from components.core.config import Contract
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.policy.tiny.animals import ANIMALS
from components.policy.tiny.captions import with_article
from components.policy.tiny.judge import Judge as TinyClip
from components.policy.tiny.pixels import from_pictures
from components.scoring.rewards import embedded
from components.scoring.rewards.reward import Score

DECIMALS = 4
"""Of an embedding's numbers: a cosine of two is right to 1e-3, and a row is short enough to read."""


class Classifier(Protocol):
    """Tells names apart. A CLIP of another size joins here, under a name of its own."""

    names: tuple[str, ...]

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""

    def see(self, pictures: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
        """p(name) [N, names], each row of sum 1, and the picture's embedding [N, D], each of norm 1: from one pass."""


class TinyClassifier:
    """The CLIP-style judge of the embedded tiny base, among its sixty animals."""

    names: tuple[str, ...] = ANIMALS

    def __init__(self) -> None:
        self._path = embedded.directory("judge")
        self._clip = TinyClip.load(self._path)
        self._names_AD = self._text_embeddings()

    def identity(self) -> dict[str, JsonValue]:
        """Weights and library versions."""
        return embedded.identity(self._path, "torch", "transformers")

    @torch.no_grad()
    def see(self, pictures: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
        """p(animal) [N, 60] and the embedding [N, 64]."""
        model = self._clip.model
        pictures_ND = _unit(model.get_image_features(from_pictures(pictures).to(model.device)).pooler_output)
        logits_AN = self._names_AD @ pictures_ND.t() * model.logit_scale.exp()
        return logits_AN.t().softmax(-1).cpu().numpy(), pictures_ND.cpu().numpy()

    @torch.no_grad()
    def _text_embeddings(self) -> torch.Tensor:
        """[60, 64] of "a cat", "an ant", ...: the same for every picture, so read once."""
        texts = [with_article(name) for name in self.names]
        tokens = self._clip.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        return _unit(self._clip.model.get_text_features(**tokens.to(self._clip.model.device)).pooler_output)


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
        return {"version": 2, "classifier": self._classifier.identity()}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: the probability of the prompt's animal, the name that the judge gives, and the picture's embedding."""
        probability_NA, embedding_ND = self._classifier.see(pictures)
        return [self._verdict(*each) for each in zip(prompts, probability_NA, embedding_ND, strict=True)]

    def _verdict(self, prompt: PromptRow, probability_A: np.ndarray, embedding_D: np.ndarray) -> Score:
        named = self._classifier.names[int(probability_A.argmax())]
        seen: dict[str, JsonValue] = {"named": named, "embedding": [round(float(x), DECIMALS) for x in embedding_D]}
        if prompt.animal not in self._classifier.names:
            return Score.missing(f"{prompt.text!r} names no animal that the judge knows", **seen)
        probability = float(probability_A[self._classifier.names.index(prompt.animal)])
        return Score(float(named == prompt.animal), {"probability": probability, **seen})


def _unit(vectors_ND: torch.Tensor) -> torch.Tensor:
    return vectors_ND / vectors_ND.norm(dim=-1, keepdim=True)
