"""Where a policy came off worst against the base: the prompts, and the words that several prompts share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from components.core.contracts import WorstSlice
from components.evaluation.tables import Key, ScoredPolicy

SHOWN = 5
"""Slices of each kind and scorer."""
PAIRS = 3
"""Pairs that a slice needs, or as many as a prompt has seeds: below, one picture is the slice."""
PROMPTS = 2
"""Prompts that a word needs: a word of one prompt only would say what that prompt says."""
STOP_WORDS = frozenset(
    ("a", "an", "the", "and", "or", "of", "in", "on", "at", "to", "with", "for", "from", "by", "is", "are", "it", "its")
)


def worst(candidate: ScoredPolicy, base: ScoredPolicy, scorers: Sequence[str]) -> tuple[WorstSlice, ...]:
    """The prompts and words of each scorer with the lowest mean of candidate minus base, lowest first.

    A slice that did not move at all is left out: with a judge that was and stays right there is nothing to show.
    """
    found: list[WorstSlice] = []
    for scorer in scorers:
        differences = _differences(candidate, base, scorer)
        prompts = (
            _slice("prompt", base.samples[keys[0]].text, scorer, base.samples[keys[0]].split, keys, differences)
            for keys in _by_prompt(differences).values()
        )
        words = (
            _slice("word", word, scorer, "all", keys, differences)
            for word, keys in _by_word(differences, base).items()
            if len({prompt for prompt, _ in keys}) >= PROMPTS
        )
        enough = min(PAIRS, max((len(keys) for keys in _by_prompt(differences).values()), default=0))
        found += [*_lowest(prompts, enough), *_lowest(words, enough)]
    return tuple(found)


def words_of(text: str) -> list[str]:
    """Distinct words of a prompt, in order, without those that carry no meaning.

    >>> words_of("A cat riding a bike, a red one")
    ['cat', 'riding', 'bike', 'red', 'one']
    """
    return [word for word in dict.fromkeys(re.findall(r"[^\W_]+", text.lower())) if word not in STOP_WORDS]


def _differences(candidate: ScoredPolicy, base: ScoredPolicy, scorer: str) -> dict[Key, float]:
    """Candidate minus base of every pair that has both, sorted, so that the order of shards changes nothing."""
    return {
        key: ours - theirs
        for key in sorted(base.samples)
        if (ours := candidate.reward(scorer, key)) is not None and (theirs := base.reward(scorer, key)) is not None
    }


def _by_prompt(differences: dict[Key, float]) -> dict[str, list[Key]]:
    prompts: dict[str, list[Key]] = {}
    for key in differences:
        prompts.setdefault(key[0], []).append(key)
    return prompts


def _by_word(differences: dict[Key, float], base: ScoredPolicy) -> dict[str, list[Key]]:
    words: dict[str, list[Key]] = {}
    for key in differences:
        for word in words_of(base.samples[key].text):
            words.setdefault(word, []).append(key)
    return words


def _slice(
    kind: Literal["prompt", "word"], name: str, scorer: str, split: str, keys: list[Key], of: dict[Key, float]
) -> WorstSlice:
    mean = float(np.mean([of[key] for key in keys]))
    return WorstSlice(kind=kind, name=name, scorer=scorer, split=split, pairs=len(keys), difference=mean)


def _lowest(slices: Iterable[WorstSlice], enough: int) -> list[WorstSlice]:
    moved = [s for s in slices if s.pairs >= enough and s.difference != 0]
    return sorted(moved, key=lambda s: (s.difference, s.name))[:SHOWN]
