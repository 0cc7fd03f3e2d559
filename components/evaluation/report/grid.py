"""Nine animals of each model: the same prompts and the same seeds, a block of 3 x 3 a model, as in the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.core.errors import BadData
from components.evaluation import panel
from components.evaluation.paired import check_same_noise
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.guard_view import marks
from components.evaluation.report.pictures import Picture, shown, spread
from components.evaluation.report.vocabulary import reward_words
from components.evaluation.tables import Key, ScoredPolicy

NINE = 9
MODELS = 4
"""Blocks, the base's among them, where one run is shown; with several runs, each run has one."""


@dataclass(frozen=True)
class Block:
    """One model's pictures."""

    title: str
    note: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Grid:
    """Blocks of the same prompts, in the same places."""

    prompts: tuple[str, ...]
    blocks: tuple[Block, ...]
    left_out: tuple[str, ...] = ()
    """A sentence for each run that could not be shown beside the others."""


def nine_animals(evidence: Evidence, others: Sequence[Evidence] = ()) -> Grid | None:
    """The base; each run's best passing policy (its newest where no guard watched); then more of the first run.

    None without the base's pictures.
    """
    if evidence.base is None:
        return None
    base, keys = evidence.base, animals(evidence.base)
    blocks = [_block("Base", "before any training", base, keys)]
    left_out = []
    if others:
        for run in (evidence, *others):
            why = _not_comparable(base, run)
            if why:
                left_out.append(why)
            elif (k := _representative(run)) is not None:
                blocks.append(_policy_block(run, k, keys, run=run.campaign.run.run_id))
    if len(blocks) < MODELS:
        of_run = evidence.campaign.run.run_id if others else ""
        kept = [] if not others else [_representative(evidence)]
        wanted = [k for k in of_one_run(evidence) if k not in kept][: MODELS - len(blocks)]
        blocks += [_policy_block(evidence, k, keys, run=of_run) for k in wanted]
    return Grid(tuple(base.samples[key].text for key in keys), tuple(blocks), tuple(left_out))


def animals(base: ScoredPolicy) -> list[Key]:
    """Nine prompts, one an animal, spread evenly over the set in drawing order; the first seed of each."""
    firsts = [key for split in base.splits for key in panel.first_of_each_prompt(base, split)]
    distinct: dict[str, Key] = {}
    for key in firsts:
        distinct.setdefault(base.samples[key].animal or key[0], key)
    return spread(list(distinct.values()), NINE)


def of_one_run(evidence: Evidence) -> list[int]:
    """Three trained policies that are drawn: the best passing, the newest, and early ones; by number."""
    trained = [k for k in evidence.drawn if k]
    if not trained:
        return []
    kept = dict.fromkeys(k for k in (evidence.best, trained[-1]) if k in trained)
    for k in spread(trained, MODELS - 1) + trained:
        if len(kept) < MODELS - 1:
            kept.setdefault(k)
    return sorted(k for k in kept if k is not None)


def _representative(evidence: Evidence) -> int | None:
    trained = [k for k in evidence.drawn if k]
    if not trained:
        return None
    return evidence.best if evidence.best in trained else trained[-1]


def _not_comparable(base: ScoredPolicy, run: Evidence) -> str:
    name = run.campaign.run.run_id
    if run.base is None or _representative(run) is None:
        return f"{name} has no evaluated policy whose pictures are in the store."
    try:
        check_same_noise(run.base, base)
    except BadData as error:
        return f"{name} was evaluated on other prompts or other noise: {error}."
    return "" if run.base.policy_id == base.policy_id else f"{name} has another base model."


def _policy_block(evidence: Evidence, k: int, keys: list[Key], *, run: str) -> Block:
    said = ", ".join((*marks(evidence, k), f"after {evidence.queries(k):,} reward queries"))
    title = f"{run} · policy {k}" if run else f"Policy {k}"
    words = reward_words(evidence.reward).name
    return _block(title, f"{said}, reward {words}" if run else said, evidence.drawn[k], keys)


def _block(title: str, note: str, policy: ScoredPolicy, keys: list[Key]) -> Block:
    return Block(title, note, tuple(shown(policy, key, title) for key in keys))
