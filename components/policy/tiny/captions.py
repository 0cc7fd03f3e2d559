"""What is said about a picture: articles, plurals, captions, and every word the tokenizers must know."""

from __future__ import annotations

from components.policy.tiny.activities import ACTIVITIES
from components.policy.tiny.animals import ANIMALS, Subject

PLURALS = {
    "mouse": "mice", "goose": "geese", "wolf": "wolves", "sheep": "sheep", "deer": "deer", "fish": "fish",
    "fox": "foxes", "butterfly": "butterflies", "fly": "flies", "salmon": "salmon", "moose": "moose",
    "octopus": "octopuses",
}  # fmt: skip
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TEMPLATE_WORDS = (
    "a", "an", "the", "image", "picture", "photo", "drawing", "contains", "shows", "of", "with", "in", "and", "there",
    "is", "are", "no", "what", "how", "many", "this", "going", "on", "animal", "animals", "answer", "concisely",
    "nothing", "who", "it", "to", "doing", "activity",
)  # fmt: skip


def with_article(noun: str) -> str:
    """
    >>> with_article("ant"), with_article("cat")
    ('an ant', 'a cat')
    """
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """
    >>> plural("wolf"), plural("cat")
    ('wolves', 'cats')
    """
    return PLURALS.get(noun, noun + "s")


def caption(subject: Subject) -> str:
    """
    >>> caption(Subject("ant")), caption(Subject("cat", "riding a bike"))
    ('an ant', 'a cat riding a bike')
    """
    return with_article(subject.animal) + (f" {subject.activity}" if subject.activity else "")


def vocabulary() -> list[str]:
    """Every word that is one token, in a fixed order, without repeats."""
    activity_words = [word for activity in ACTIVITIES for word in activity.split()]
    words = [*TEMPLATE_WORDS, *NUMBERS, *ANIMALS, *(plural(animal) for animal in ANIMALS), *activity_words]
    return list(dict.fromkeys(words))
