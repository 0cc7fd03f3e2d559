"""Numbers in a sentence, in digits or in words. Pure.

Only what counts things: no ordinals, no fractions, no pair and no couple.
"""

from __future__ import annotations

import re
import unicodedata

SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
LARGE = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 1_000_000}
WORDS = {word: n for n, word in enumerate(SMALL)} | {word: 10 * n for n, word in enumerate(TENS, start=2)}
TOKEN = re.compile(r"\d+(?:[.,]\d+)*(?![^\W_])|[^\W_]+")
"""A word, or digits with their points and commas: 1,000 and 2.5 are one number each."""


def numbers_said(text: str) -> set[int]:
    """Every whole number that a text names.

    >>> sorted(numbers_said("There are two cats, or 3.")), numbers_said("twenty-two"), numbers_said("none, the 4th")
    ([2, 3], {22}, set())
    """
    tokens = TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    numbers: set[int] = set()
    at = 0
    while at < len(tokens):
        number, used = _number_at(tokens[at : at + 3])
        if number is not None:
            numbers.add(number)
        at += used
    return numbers


def _number_at(tokens: list[str]) -> tuple[int | None, int]:
    """The number that begins here, or None, and how many tokens it takes."""
    number, used = _small(tokens[0]), 1
    if number is not None and tokens[0] in TENS and len(tokens) > 1 and 1 <= (WORDS.get(tokens[1]) or 0) <= 9:
        number, used = number + WORDS[tokens[1]], 2
    if number is not None and len(tokens) > used and tokens[used] in LARGE:
        number, used = number * LARGE[tokens[used]], used + 1
    return number, used


def _small(token: str) -> int | None:
    if token in WORDS:
        return WORDS[token]
    digits = re.sub(r",(?=\d{3}(?:\D|$))", "", token)
    return int(digits) if re.fullmatch(r"[0-9]+", digits) else None
