"""How a prompt is worded: articles, plurals, the three templates, and the id that a text gets. Pure."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
PLURALS = {
    "deer": "deer",
    "fish": "fish",
    "goose": "geese",
    "jellyfish": "jellyfish",
    "moose": "moose",
    "mouse": "mice",
    "salmon": "salmon",
    "sheep": "sheep",
    "starfish": "starfish",
    "wolf": "wolves",
}
"""Those that the rules of `plural` do not give."""
OTHER_FORMS = {
    "airplane": ("aeroplane", "aeroplanes", "plane", "planes"),
    "axe": ("ax",),
    "couch": ("sofa", "sofas"),
    "fish": ("fishes",),
    "flamingo": ("flamingoes",),
    "hippo": ("hippopotamus", "hippopotamuses", "hippopotami"),
    "ladybug": ("ladybird", "ladybirds"),
    "octopus": ("octopi", "octopodes"),
    "refrigerator": ("fridge", "fridges"),
    "rhino": ("rhinoceros", "rhinoceroses"),
    "salmon": ("salmons",),
    "seagull": ("gull", "gulls"),
    "telephone": ("phone", "phones"),
}
"""Written too, and to be understood, but never written by us."""
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


def plural(noun: str) -> str:
    """
    >>> [plural(noun) for noun in ("cat", "fox", "fly", "monkey", "wolf", "sheep")]
    ['cats', 'foxes', 'flies', 'monkeys', 'wolves', 'sheep']
    """
    return PLURALS.get(noun) or _regular_plural(noun)


def forms(name: str) -> set[str]:
    """Every way to write a name, of one or of many.

    >>> sorted(forms("octopus"))
    ['octopi', 'octopodes', 'octopus', 'octopuses']
    """
    return {name, plural(name), _regular_plural(name), *OTHER_FORMS.get(name, ())}


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


def words(text: str) -> list[str]:
    """Lower-case words without punctuation, possessives and articles: what two spellings of one prompt have in common.

    >>> words("An Elephant's dream")
    ['elephant', 'dream']
    """
    plain = re.sub(r"['’]s?\b", "", unicodedata.normalize("NFKC", text).casefold())
    return [word for word in re.findall(r"[^\W_]+", plain) if word not in ("a", "an", "the")]


def _regular_plural(noun: str) -> str:
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"
