"""Alignment: does the picture show what the prompt asks for, by the word of a captioner.

product  p(animal) x p(activity): the finer signal, of a captioner that gives probabilities. A product, because a policy
         that is paid the mean buys the easy half with the hard half
text     BERTScore of the caption against the prompt, as in DDPO (arXiv 2305.13301): works with any captioner
"""

# N pictures
from __future__ import annotations

from typing import Literal

from PIL import Image
from pydantic import Field, JsonValue

from components.core.config import Contract
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.scoring.rewards.captioners.captioner import Captioner, Recogniser, Unanswered, ask
from components.scoring.rewards.captioners.load import load_captioner
from components.scoring.rewards.captioners.options import CaptionerOptions
from components.scoring.rewards.reward import Score
from components.scoring.rewards.text_similarity import TextSimilarity


class AlignmentOptions(Contract):
    """How a caption becomes a number."""

    captioner: CaptionerOptions = "tiny"
    """`tiny`: the embedded captioner. Else a table with `kind = "transformers"` or `kind = "http"`."""
    form: Literal["product", "text"] = "product"
    """`product` needs a captioner that gives probabilities, and prompts that name an animal it knows."""
    question: str = "Answer concisely: what is going on in this image?"
    """What the captioner is asked (the paper's question)."""
    measure: Literal["recall", "precision", "f1"] = "recall"
    """Which BERTScore is the reward (text); all three are parts."""
    reference: str = "The image contains {prompt}"
    """What the caption is compared with (text): the paper's sentence, or plain `{prompt}`."""
    text_encoder: str = "tiny"
    """BERTScore's model (text): `tiny`, a hub id (the paper's: microsoft/deberta-xlarge-mnli), or a directory."""
    text_encoder_revision: str | None = None
    """Commit of the hub id. Without one it is not pinned."""
    text_encoder_layer: int | None = Field(default=None, ge=1)
    """Layer whose vectors are compared. None: as bert-score prescribes for the hub id (40 of 48), else the last."""


class Alignment:
    """Which of the two forms, with which captioner."""

    Options = AlignmentOptions

    def __init__(self, options: AlignmentOptions) -> None:
        if options.form == "product" and not isinstance(options.captioner, str):  # before its gigabytes are loaded
            raise BadRequest(f"{options.captioner.model} gives no probabilities", hint='set form = "text"')
        captioner = load_captioner(options.captioner)
        self._form = _Text(captioner, options) if options.form == "text" else _Product(captioner, options)

    def identity(self) -> dict[str, JsonValue]:
        """Every model that has a say."""
        return self._form.identity()

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        """In [0, 1] (product), or a BERTScore (text)."""
        return self._form.score(pictures, prompts)


class _Product:
    def __init__(self, captioner: Captioner, options: AlignmentOptions) -> None:
        if not isinstance(captioner, Recogniser):
            raise BadRequest(f"the captioner {options.captioner} gives no probabilities", hint='set form = "text"')
        self._captioner: Captioner = captioner
        self._recogniser: Recogniser = captioner

    def identity(self) -> dict[str, JsonValue]:
        return {"version": 1, "captioner": self._captioner.identity()}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        captions, animal_NA, activity_NB = self._recogniser.recognise(pictures)
        scores = []
        for caption, prompt, p_animals, p_activities in zip(captions, prompts, animal_NA, activity_NB, strict=True):
            activity = prompt.activity or self._recogniser.no_activity
            if prompt.animal not in self._recogniser.animals or activity not in self._recogniser.activities:
                error = f"{prompt.text!r} names no animal and activity that the captioner knows"
                scores.append(Score.missing(error, caption=caption))
                continue
            p_animal = float(p_animals[self._recogniser.animals.index(prompt.animal)])
            p_activity = float(p_activities[self._recogniser.activities.index(activity)])
            parts: dict[str, JsonValue] = {"caption": caption, "p_animal": p_animal, "p_activity": p_activity}
            scores.append(Score(p_animal * p_activity, parts))
        return scores


class _Text:
    def __init__(self, captioner: Captioner, options: AlignmentOptions) -> None:
        if "{prompt}" not in options.reference:
            raise BadRequest(f"reference = {options.reference!r} has no {{prompt}} to put the prompt in")
        self._captioner, self._options = captioner, options
        self._similarity = TextSimilarity(
            options.text_encoder, options.text_encoder_revision, options.text_encoder_layer
        )

    def identity(self) -> dict[str, JsonValue]:
        return {"version": 1, "captioner": self._captioner.identity(), "text_encoder": self._similarity.identity()}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        captions = ask(self._captioner, pictures, [self._options.question] * len(pictures))
        told = [
            (caption, self._reference(row))
            for caption, row in zip(captions, prompts, strict=True)
            if isinstance(caption, str)
        ]
        similarities = iter(self._similarity.compare([said for said, _ in told], [meant for _, meant in told]))
        return [
            Score.missing(caption.reason)
            if isinstance(caption, Unanswered)
            else self._scored(caption, next(similarities))
            for caption in captions
        ]

    def _reference(self, prompt: PromptRow) -> str:
        return self._options.reference.replace("{prompt}", prompt.text)

    def _scored(self, caption: str, similarity: dict[str, float]) -> Score:
        return Score(similarity[self._options.measure], {"caption": caption, **similarity})
