"""How what a prompt names is written, of one and of many, and whether a text mentions it. Pure, and shared by steps."""

from __future__ import annotations

import re
import unicodedata

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


def words(text: str) -> list[str]:
    """Lower-case words without punctuation, possessives and articles: what two spellings of one prompt have in common.

    >>> words("An Elephant's dream")
    ['elephant', 'dream']
    """
    plain = re.sub(r"['’]s?\b", "", unicodedata.normalize("NFKC", text).casefold())
    return [word for word in re.findall(r"[^\W_]+", plain) if word not in ("a", "an", "the")]


def mentions(said: list[str], name: str) -> bool:
    """Whether words in a row are a form of the name: whole words, after case and number.

    >>> mentions(words("Three mice."), "mouse"), mentions(words("a catfish"), "cat")
    (True, False)
    """
    return any(in_a_row(words(form), said) for form in forms(name))


def in_a_row(wanted: list[str], said: list[str]) -> bool:
    """Whether the wanted words stand in what is said, next to each other and in order."""
    return any(said[i : i + len(wanted)] == wanted for i in range(len(said) - len(wanted) + 1))


def _regular_plural(noun: str) -> str:
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"
