"""Several rewards as one: a weighted sum of normalised rewards, or a weighted product of rewards in [0, 1].

sum      sum of weight x (reward - mean) / sd, with a reference mean and sd that the config fixes: a normalisation that
         moved with the batch would make another reward of each batch
product  product of reward ** weight: a picture must please all of them, and no weight buys one with another
"""

from __future__ import annotations

import math
from typing import Literal

from PIL import Image
from pydantic import Field, JsonValue, model_validator

from components.core.config import Contract, RewardConfig
from components.core.errors import BadData
from components.core.records import PromptRow
from components.scoring.rewards.reward import Score
from components.scoring.scorer import load_scorers


class Component(Contract):
    """One reward, and how much it counts."""

    reward: RewardConfig = Field(exclude=True)  # what it is made of stands in the identity
    """Any reward; a label tells two of one kind apart: `remote/hps`."""
    weight: float = 1.0
    """Sum: factor; below 0 it is a penalty. Product: exponent, above 0. 0 is refused: leave the reward out."""
    mean: float = 0.0
    """Sum: the reward's mean over reference pictures, in its own unit: those of the base model, say."""
    sd: float = Field(default=1.0, gt=0)
    """Sum: its standard deviation over them. 0 and 1 leave the reward as it is."""


class CombinedOptions(Contract):
    """What is combined, and how."""

    form: Literal["sum", "product"] = "sum"
    """`product` takes rewards in [0, 1] only: another value ends the step (65)."""
    of: tuple[Component, ...] = Field(min_length=1)
    """The rewards. All must answer: a picture without one of them has no reward."""

    @model_validator(mode="after")
    def _counts(self) -> CombinedOptions:
        for component in self.of:
            name = component.reward.name
            if component.weight == 0 or (self.form == "product" and component.weight < 0):
                raise ValueError(f"the weight of {name} is {component.weight}: it counts nothing or backwards")
            if self.form == "product" and (component.mean, component.sd) != (0, 1):
                raise ValueError(f"a product has no mean and sd, and {name} has")
        return self


class Combined:
    """The weighted sum or product."""

    Options = CombinedOptions

    def __init__(self, options: CombinedOptions) -> None:
        self._options = options
        self._scorers = load_scorers([component.reward for component in options.of])

    def identity(self) -> dict[str, JsonValue]:
        """All that the combined rewards are."""
        return {"version": 1, "of": [scorer.description for scorer in self._scorers]}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """Parts: each reward by its name, with its own parts."""
        answers = [scorer.scores(prompts, pictures) for scorer in self._scorers]
        return [self._combine(row, prompt) for row, prompt in zip(zip(*answers, strict=True), prompts, strict=True)]

    def _combine(self, scores: tuple[Score, ...], prompt: PromptRow) -> Score:
        named = dict(zip([scorer.name for scorer in self._scorers], scores, strict=True))
        parts: dict[str, JsonValue] = {name: {"reward": got.reward, **got.parts} for name, got in named.items()}
        rewards: list[float] = []
        for name, got in named.items():
            if got.reward is None:
                return Score.missing(f"{name}: {got.error}", **parts)
            if self._options.form == "product" and not 0 <= got.reward <= 1:
                raise BadData(
                    f"{name} gave {prompt.sample_id} {got.reward:g}, and a product takes rewards in [0, 1] only",
                    hint='form = "sum"',
                )
            rewards.append(got.reward)
        return Score(combine(self._options, rewards), parts)


def combine(options: CombinedOptions, rewards: list[float]) -> float:
    """One reward of several, in the order of `options.of`.

    >>> one, two = RewardConfig(name="a"), RewardConfig(name="b")
    >>> of = (Component(reward=one, mean=5, sd=0.5), Component(reward=two, weight=-2))
    >>> combine(CombinedOptions(of=of), [6, 0.25])
    1.5
    >>> of = (Component(reward=one), Component(reward=two, weight=2))
    >>> combine(CombinedOptions(form="product", of=of), [0.5, 0.5])
    0.125
    """
    if options.form == "product":
        return math.prod(
            math.pow(reward, component.weight) for component, reward in zip(options.of, rewards, strict=True)
        )
    return math.fsum(
        component.weight * (reward - component.mean) / component.sd
        for component, reward in zip(options.of, rewards, strict=True)
    )
