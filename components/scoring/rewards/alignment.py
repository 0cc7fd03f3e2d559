"""Alignment: does the picture show what the prompt asks for, by the word of a captioner.

product  p(animal) x p(activity): the finer signal, of a captioner that gives probabilities. A product, because a policy
         that is paid the mean buys the easy half with the hard half
text     BERTScore of the caption against the prompt, as in DDPO (arXiv 2305.13301): works with any captioner
"""

# N pictures
from __future__ import annotations

from typing import Literal

from PIL import Image
from pydantic import JsonValue

from components.core.config import Contract
from components.core.errors import BadRequest
from components.core.records import PromptRow
from components.scoring.rewards.captioners import Captioner, Recogniser, load_captioner
from components.scoring.rewards.reward import Score
from components.scoring.rewards.text_similarity import TextSimilarity


class AlignmentOptions(Contract):
    """How a caption becomes a number."""

    captioner: str = "tiny"
    """`tiny`: the embedded captioner."""
    form: Literal["product", "text"] = "product"
    """`product` needs a captioner that gives probabilities, and prompts that name an animal it knows."""
    question: str = "Answer concisely: what is going on in this image?"
    """What the captioner is asked (the paper's question)."""
    measure: Literal["recall", "precision", "f1"] = "recall"
    """Which BERTScore is the reward (text); all three are parts."""
    reference: str = "The image contains {prompt}"
    """What the caption is compared with (text): the paper's sentence, or plain `{prompt}`."""
    text_encoder: str = "tiny"
    """BERTScore's model (text): `tiny`, or a directory in transformers' layout."""


class Alignment:
    """Which of the two forms, with which captioner."""

    Options = AlignmentOptions

    def __init__(self, options: AlignmentOptions) -> None:
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
        self._question = options.question

    def identity(self) -> dict[str, JsonValue]:
        return {"version": 1, "captioner": self._captioner.identity()}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        captions, animal_NA, activity_NB = self._recogniser.recognise(pictures, self._question)
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
        self._similarity = TextSimilarity(options.text_encoder)

    def identity(self) -> dict[str, JsonValue]:
        return {"version": 1, "captioner": self._captioner.identity(), "text_encoder": self._similarity.identity()}

    def score(self, pictures: list[Image.Image], prompts: list[PromptRow]) -> list[Score]:
        captions = self._captions(pictures)
        told = [i for i, caption in enumerate(captions) if caption]
        references = [self._options.reference.replace("{prompt}", prompts[i].text) for i in told]
        similarities = self._similarity.compare([captions[i] for i in told], references)
        scores = [Score.missing("the captioner said nothing, twice", caption="")] * len(pictures)
        for i, similarity in zip(told, similarities, strict=True):
            scores[i] = Score(similarity[self._options.measure], {"caption": captions[i], **similarity})
        return scores

    def _captions(self, pictures: list[Image.Image]) -> list[str]:
        """One caption a picture; who said nothing is asked once more."""
        captions = [answer.strip() for answer in self._captioner.answer(pictures, self._options.question)]
        silent = [i for i, caption in enumerate(captions) if not caption]
        if silent:
            again = self._captioner.answer([pictures[i] for i in silent], self._options.question)
            for i, caption in zip(silent, again, strict=True):
                captions[i] = caption.strip()
        return captions
