"""What a captioner is, and how it is asked: pictures and questions in, one answer a picture."""

# N pictures
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image
from pydantic import JsonValue


@dataclass(frozen=True)
class Unanswered:
    """No answer could be had. That is no empty answer, and never a wrong one."""

    reason: str


SILENT = Unanswered("the captioner said nothing, twice")


class Captioner(Protocol):
    """Answers a question about each picture."""

    answers_any_question: bool
    """False: it knows one question, what is going on, whatever it is asked."""

    def identity(self) -> dict[str, JsonValue]:
        """Weights, how a question is put, and library versions."""

    def answer(
        self, pictures: list[Image.Image], questions: list[str], *, again: bool = False
    ) -> Sequence[str | Unanswered]:
        """One answer a picture, in order; empty where the model says nothing.

        `again`: these were asked before and the answer was empty. Who would only repeat itself must begin to speak.
        """


@runtime_checkable
class Recogniser(Protocol):
    """A captioner that also says how sure it is, over closed lists of names."""

    animals: tuple[str, ...]
    activities: tuple[str, ...]
    no_activity: str
    """The name among `activities` for an animal that does nothing in particular."""

    def recognise(self, pictures: list[Image.Image]) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The captions, p(animal) [N, animals] and p(activity) [N, activities], from one pass; each row sums to 1."""


def ask(captioner: Captioner, pictures: list[Image.Image], questions: list[str]) -> list[str | Unanswered]:
    """One answer a picture, stripped and never empty: who says nothing is asked once more, and then `SILENT`."""
    answers = _stripped(captioner.answer(pictures, questions))
    if silent := [i for i, answer in enumerate(answers) if answer == ""]:
        again = captioner.answer([pictures[i] for i in silent], [questions[i] for i in silent], again=True)
        for i, answer in zip(silent, _stripped(again), strict=True):
            answers[i] = answer or SILENT
    return answers


def _stripped(answers: Sequence[str | Unanswered]) -> list[str | Unanswered]:
    return [answer.strip() if isinstance(answer, str) else answer for answer in answers]
