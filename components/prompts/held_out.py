"""What a prompt mentions, and the refusal to train on what an evaluation set holds out.

A mention is a word, or words in a row, after case, number and article: "Elephants", "an elephant" and "the elephant's
dream" all mention the elephant. That errs on the safe side: "a swan boat" mentions the swan.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from components.core.errors import BadRequest
from components.core.nouns import forms, in_a_row, mentions, words
from components.core.records import HELD_OUT
from components.prompts.lists import EvaluationSet, known_activities, known_animals
from components.prompts.wording import NUMBERS, Prompt


def recognise(text: str) -> Prompt:
    """A user's prompt, with the animal, activity and number that it names, where it names exactly one.

    >>> recognise("Two geese, flying a kite")
    Prompt(text='Two geese, flying a kite', animal='goose', activity='flying a kite', count=2)
    """
    said = words(text)
    animals = [animal for animal in known_animals() if mentions(said, animal)]
    activities = [activity for activity in known_activities() if in_a_row(words(activity), said)]
    counts = [n for n, number in NUMBERS.items() if animals and said[0] in (number, str(n))]
    return Prompt(
        text=text,
        animal=animals[0] if len(animals) == 1 else None,
        activity=activities[0] if len(activities) == 1 else None,
        count=counts[0] if counts and len(animals) == 1 else None,
    )


class HeldOutPrompts:
    """What one evaluation set holds out, ready to be looked for."""

    def __init__(self, name: str, evaluation: EvaluationSet) -> None:
        self.name = name
        self._mentions = list(_mentions(evaluation))
        self._texts = {
            tuple(words(prompt.text)): prompt.text
            for template in ("animal", "activity", "counting")
            for split, prompt in evaluation.prompts(template)
            if HELD_OUT in split
        }

    def reason(self, text: str) -> str | None:
        """What of a text is held out; None if nothing is."""
        said = words(text)
        for wanted, thing in self._mentions:
            if in_a_row(wanted, said):
                return thing
        prompt = self._texts.get(tuple(said))
        return f"the prompt {prompt!r}" if prompt else None

    def refuse(self, prompts: Iterable[tuple[str, Prompt]]) -> None:
        """Raise BadRequest for the first (place, prompt) that is held out, naming its place."""
        for place, prompt in prompts:
            if thing := self.reason(prompt.text):
                raise BadRequest(
                    f"{place}: {prompt.text!r} would train on {thing}, which {self.name} holds out",
                    hint="remove it, or choose another evaluation.set",
                )


def _mentions(evaluation: EvaluationSet) -> Iterator[tuple[list[str], str]]:
    for kind, names in (("animal", evaluation.held_out.animals), ("object", evaluation.held_out.objects)):
        for name in names:
            for form in sorted(forms(name)):
                yield words(form), f"the {kind} {name!r}"
    for activity in evaluation.held_out.activities:
        yield words(activity), f"the activity {activity!r}"
