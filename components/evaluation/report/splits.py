"""How far a gain carries: every split of the evaluation set against the prompts that training used."""

from __future__ import annotations

from dataclasses import dataclass

from components.core.contracts import EvaluationResult, ScorerComparison
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.vocabulary import percent, signed

SEEN = "seen"


@dataclass(frozen=True)
class SplitRow:
    """One split of one evaluation."""

    policy: int
    split: str
    reward: ScorerComparison
    ratio: str
    """Its gain over the seen gain; why not, where the seen gain is not clearly above 0."""
    judges: tuple[tuple[str, ScorerComparison], ...]


def generalisation(evidence: Evidence) -> list[SplitRow]:
    """One row a split of the newest evaluated policy; before it those of the best policy, where that is earlier."""
    if evidence.newest is None:
        return []
    best = [
        facts for facts in evidence.evaluations if evidence.best_is_earlier and facts.result.policy == evidence.best
    ]
    return [row for facts in (*best, evidence.newest) for row in _rows(evidence, facts.result)]


def _rows(evidence: Evidence, result: EvaluationResult) -> list[SplitRow]:
    seen = result.comparison(evidence.reward, SEEN)
    rows = []
    for split in evidence.splits:
        if (reward := result.comparison(evidence.reward, split)) is None:
            continue
        judges = tuple((judge, found) for judge in evidence.judges if (found := result.comparison(judge, split)))
        rows.append(SplitRow(result.policy, split, reward, ratio(reward, seen), judges))
    return rows


def ratio(of: ScorerComparison, seen: ScorerComparison | None) -> str:
    """Gain on a split as a share of the seen gain, in words where there is no such share."""
    if of.split == SEEN:
        return "the measure"
    if seen is None:
        return "no seen prompts"
    if seen.gain.low <= 0:
        return "seen gain not clear"
    return percent(of.gain.mean / seen.gain.mean) if of.gain.mean > 0 else f"none ({signed(of.gain.mean)} sd)"
