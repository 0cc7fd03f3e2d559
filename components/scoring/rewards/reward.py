"""What a reward is: pictures and prompts in, one score a picture out. A black box, and never asked about latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from PIL import Image
from pydantic import JsonValue

from components.core.config import Contract
from components.core.records import PromptRow


class NoOptions(Contract):
    """Options of a reward that has none: any key is an error."""


@dataclass(frozen=True)
class Score:
    """What one picture got. A score that could not be had is missing, and never 0."""

    reward: float | None
    parts: dict[str, JsonValue] = field(default_factory=dict)
    """What the reward was made of."""
    error: str | None = None
    """Why it is missing."""

    @classmethod
    def missing(cls, error: str, **parts: JsonValue) -> Score:
        """No reward, and why."""
        return cls(None, parts, error)


class Reward(Protocol):
    """A reward or a judge. It is made once a process, from its checked options."""

    Options: ClassVar[type[Contract]]
    """Its settings, each with a default: an unknown one is an error. They are part of the scorer's identity, but for
    fields with `exclude=True`, which cannot change a score: a timeout."""

    def __init__(self, options: Any) -> None: ...

    def identity(self) -> dict[str, JsonValue]:
        """What else decides a score: digests of weights, versions of libraries, and of the reward itself."""

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> Sequence[Score | float | None]:
        """One score a picture, in order; a number alone will do.

        An exception makes the whole batch missing; a StepError ends the step. A picture's `format` is that of its file.
        """
