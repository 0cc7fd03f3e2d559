"""How a prompt is worded: articles, the three templates, and the id that a text gets. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from components.core.nouns import plural

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
SPOKEN_WITH_A_VOWEL = ("heir", "honest", "honor", "honour", "hour")
"""An hour: the h is silent."""
SPOKEN_WITH_A_CONSONANT = ("eu", "ewe", "once", "one", "uni", "use")
"""A unicorn: it begins like `you` or `won`."""
LONGEST_SLUG = 96


@dataclass(frozen=True)
class Prompt:
    """One prompt, and what it asks for where that is known."""

    text: str
    animal: str | None = None
    activity: str | None = None
    count: int | None = None

    @property
    def id(self) -> str:
        """Slug of the text."""
        return slug(self.text)


def compose(animal: str, activity: str | None = None, count: int | None = None) -> Prompt:
    """The templates of DDPO (arXiv 2305.13301).

    >>> compose("ant").text, compose("cat", "riding a bike").text, compose("mouse", count=3).text
    ('an ant', 'a cat riding a bike', 'three mice')
    """
    text = with_article(animal) if count is None else f"{NUMBERS[count]} {plural(animal)}"
    return Prompt(f"{text} {activity}" if activity else text, animal, activity, count)


def compose_object(name: str) -> Prompt:
    """A thing by itself. It is no animal, and has no field of its own: its name is all of the text.

    >>> compose_object("umbrella")
    Prompt(text='an umbrella', animal=None, activity=None, count=None)
    """
    return Prompt(with_article(name))


def with_article(noun: str) -> str:
    """
    >>> [with_article(noun) for noun in ("cat", "octopus", "hour", "unicorn")]
    ['a cat', 'an octopus', 'an hour', 'a unicorn']
    """
    vowel = noun.startswith(tuple("aeiou")) and not noun.startswith(SPOKEN_WITH_A_CONSONANT)
    return f"{'an' if vowel or noun.startswith(SPOKEN_WITH_A_VOWEL) else 'a'} {noun}"


def slug(text: str) -> str:
    """Lower-case ASCII letters, digits and dashes: fit for a file name and a URI.

    What ASCII cannot say, or what is too long, is told apart by a digest of the text.

    >>> slug("A cat, riding a bike!"), slug("猫")
    ('a-cat-riding-a-bike', 'prompt-a810bf84')
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    short = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    faithful = not any(c.isalnum() and not c.isascii() for c in plain)
    if short and faithful and len(short) <= LONGEST_SLUG:
        return short
    return f"{short[:LONGEST_SLUG].rstrip('-') or 'prompt'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
