"""Before and after: the same prompt, the same noise, base beside candidate, a gallery a split."""

from __future__ import annotations

from dataclasses import dataclass

from components.evaluation import panel
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.pictures import Picture, shown, spread
from components.evaluation.report.vocabulary import DASH, SPACE, digits_for, reward_words, signed
from components.evaluation.tables import Key, ScoredPolicy

A_SPLIT = 15
"""Pictures shown of a split: spread evenly over its prompts, the first seed of each, never chosen by result."""

RIGHT_OR_WRONG: dict[float | None, str] = {1.0: "✓", 0.0: "✗"}
"""A judge's reward as a mark; what is missing, or neither, is a dash."""


@dataclass(frozen=True)
class Twin:
    """One prompt, before and after."""

    caption: str
    before: Picture
    after: Picture | None
    best: Picture | None
    """The best passing policy's, where that is not the newest."""
    change: str
    rose: bool | None
    """None where the reward did not change, or is not known."""
    judge: str
    """What the first judge said before and after, where it says right or wrong."""


@dataclass(frozen=True)
class Gallery:
    """The pictures of one split."""

    split: str
    twins: tuple[Twin, ...]
    prompts: int
    rose: int
    """Pictures of the whole split whose reward rose."""
    pairs: int


def galleries(evidence: Evidence) -> list[Gallery]:
    """A gallery a split; without a trained policy, the base's pictures alone; without an evaluation, none."""
    if evidence.base is None or (evidence.newest and evidence.candidate is None):
        return []
    return [_gallery(evidence.base, evidence.candidate, split, evidence) for split in evidence.splits]


def twin(
    base: ScoredPolicy, candidate: ScoredPolicy | None, key: Key, evidence: Evidence, *, with_best: bool = False
) -> Twin:
    """One picture before and after, and by the best policy between them where that is asked for."""
    change = _change(base, candidate, evidence.reward, key)
    unit, digits = reward_words(evidence.reward).unit, digits_for(_spread_of_base(evidence, base.samples[key].split))
    best = evidence.drawn.get(evidence.best or 0) if evidence.best_is_earlier else None
    return Twin(
        caption=base.samples[key].text,
        before=shown(base, key, "base"),
        best=shown(best, key, f"policy {evidence.best}") if best and with_best else None,
        after=shown(candidate, key, "after training") if candidate else None,
        change=DASH if change is None else f"{signed(change, digits)}{SPACE}{unit}".strip(),
        rose=change > 0 if change else None,
        judge=_judged(base, candidate, evidence.judges, key),
    )


def _gallery(base: ScoredPolicy, candidate: ScoredPolicy | None, split: str, evidence: Evidence) -> Gallery:
    firsts = panel.first_of_each_prompt(base, split)
    changes = [_change(base, candidate, evidence.reward, key) for key in base.keys_of(split)]
    known = [change for change in changes if change is not None]
    return Gallery(
        split=split,
        twins=tuple(twin(base, candidate, key, evidence, with_best=True) for key in spread(firsts, A_SPLIT)),
        prompts=len(firsts),
        rose=sum(change > 0 for change in known),
        pairs=len(known),
    )


def _change(base: ScoredPolicy, candidate: ScoredPolicy | None, reward: str, key: Key) -> float | None:
    """The picture's own reward change; None where one of the two has no reward."""
    if candidate is None:
        return None
    before, after = base.reward(reward, key), candidate.reward(reward, key)
    return None if before is None or after is None else after - before


def _spread_of_base(evidence: Evidence, split: str) -> float:
    comparison = evidence.evaluations[-1].result.comparison(evidence.reward, split)
    return comparison.reference_std if comparison else 0.0


def _judged(base: ScoredPolicy, candidate: ScoredPolicy | None, judges: list[str], key: Key) -> str:
    if not judges:
        return ""
    verdicts = [policy.reward(judges[0], key) for policy in (base, candidate) if policy is not None]
    return " → ".join(RIGHT_OR_WRONG.get(verdict, DASH) for verdict in verdicts)
