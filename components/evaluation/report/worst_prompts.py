"""Where the newest policy came off worst against the base, by name, and how that looks."""

from __future__ import annotations

from dataclasses import dataclass

from components.core.contracts import WorstSlice
from components.evaluation.report.before_after import Twin, twin
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.vocabulary import digits_for, signed
from components.evaluation.tables import Key, ScoredPolicy

PICTURES = 6
"""Prompts shown of each scorer; words have no one picture."""


@dataclass(frozen=True)
class Slice:
    """A prompt or a word, and what it lost."""

    name: str
    split: str
    pairs: int
    difference: str


@dataclass(frozen=True)
class WorstOf:
    """The worst of one scorer."""

    scorer: str
    prompts: tuple[Slice, ...]
    words: tuple[Slice, ...]
    twins: tuple[Twin, ...]
    """The picture that lost most of each of its worst prompts."""


def worst_of_each_scorer(evidence: Evidence) -> list[WorstOf]:
    """By scorer, the reward first; empty where the evaluation named none."""
    if evidence.newest is None:
        return []
    found = evidence.newest.result.worst
    return [_of(scorer, found, evidence) for scorer in dict.fromkeys(slice_.scorer for slice_ in found)]


def _of(scorer: str, found: tuple[WorstSlice, ...], evidence: Evidence) -> WorstOf:
    mine = [slice_ for slice_ in found if slice_.scorer == scorer]
    prompts = [slice_ for slice_ in mine if slice_.kind == "prompt"]
    keys = [key for slice_ in prompts[:PICTURES] if (key := _lowest(slice_, evidence)) is not None]
    return WorstOf(
        scorer=scorer,
        prompts=tuple(_named(slice_, evidence) for slice_ in prompts),
        words=tuple(_named(slice_, evidence) for slice_ in mine if slice_.kind == "word"),
        twins=tuple(twin(evidence.base, evidence.candidate, key, evidence) for key in keys if evidence.base),
    )


def _named(slice_: WorstSlice, evidence: Evidence) -> Slice:
    spread = [c.reference_std for _, c in evidence.compared(slice_.scorer, slice_.split)]
    digits = digits_for(spread[-1]) if spread and spread[-1] else 2
    return Slice(slice_.name, slice_.split, slice_.pairs, signed(slice_.difference, digits))


def _lowest(slice_: WorstSlice, evidence: Evidence) -> Key | None:
    """The pair of a prompt that lost most; None where the pictures are not in the store."""
    base, candidate = evidence.base, evidence.candidate
    if base is None or candidate is None:
        return None
    keys = [k for k, row in base.samples.items() if slice_.name in (row.text, k[0]) and row.split == slice_.split]
    known = [(change, k) for k in keys if (change := _change(base, candidate, slice_.scorer, k)) is not None]
    return min(known)[1] if known else None


def _change(base: ScoredPolicy, candidate: ScoredPolicy, scorer: str, key: Key) -> float | None:
    before, after = base.reward(scorer, key), candidate.reward(scorer, key)
    return None if before is None or after is None else after - before
