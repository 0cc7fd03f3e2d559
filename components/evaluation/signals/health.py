"""Whether the reward itself is well: rewards that could not be had, and one answer for every picture."""

from __future__ import annotations

from collections import Counter

from components.core.contracts import Signal
from components.evaluation.signals.evidence import Evidence
from components.evaluation.signals.level import level_of, limits_said, unavailable
from components.evaluation.tables import ScoredPolicy

AWAY = 0.05
"""Share beyond which a judge is taken to be away, as a reward is: `records.too_many_missing`."""


def reward_missing(evidence: Evidence) -> Signal:
    """Share of the candidate's pictures without a reward."""
    rewards = _rewards(evidence.candidate, evidence.request.reward)
    missing, warn = rewards.count(None), evidence.request.guard.missing_warn
    value = missing / len(rewards)
    return Signal(
        name="reward_missing",
        value=value,
        unit="share of the pictures",
        warn=warn,
        level=level_of(value, warn, None, "above"),
        reason=f"{missing} of {len(rewards)} rewards are missing{limits_said(warn, None, 'above')}",
    )


def judges_missing(evidence: Evidence) -> list[Signal]:
    """`judge_missing:<judge>`: pictures that the judge answered for the base and not for the candidate.

    A judge that speaks of the good pictures only would say that nothing was lost.
    """
    return [_judge_missing(judge, evidence) for judge in evidence.request.judges]


def _judge_missing(judge: str, evidence: Evidence) -> Signal:
    ours, theirs = evidence.candidate.rewards[judge], evidence.base.rewards[judge]
    known = [key for key, row in theirs.items() if row.reward is not None]
    name, unit = f"judge_missing:{judge}", "share of the pictures"
    if not known:
        return unavailable(name, unit, "it gave nothing on the base's pictures either: it knows none of these prompts")
    lost = sum(ours[key].reward is None for key in known)
    warn, value = evidence.request.guard.missing_warn, lost / len(known)
    return Signal(
        name=name,
        value=value,
        unit=unit,
        warn=warn,
        fail=AWAY,
        level=level_of(value, warn, AWAY, "above"),
        reason=f"{judge} gave nothing on {lost} of {len(known)} pictures that it answered for the base"
        f"{limits_said(warn, AWAY, 'above')}",
    )


def reward_constant(evidence: Evidence) -> Signal:
    """Share of pictures with the commonest reward, less the base's own share: a scorer or a policy that got stuck."""
    ours, theirs = (_commonest(side, evidence.request.reward) for side in (evidence.candidate, evidence.base))
    fail, value = evidence.request.guard.constant_fail, ours - theirs
    return Signal(
        name="reward_constant",
        value=value,
        unit="share of the pictures",
        fail=fail,
        level=level_of(value, None, fail, "above"),
        reason=f"{ours:.0%} of the pictures have one and the same reward, and {theirs:.0%} of the base's"
        f"; the difference counts{limits_said(None, fail, 'above')}",
    )


def _commonest(policy: ScoredPolicy, reward: str) -> float:
    known = [value for value in _rewards(policy, reward) if value is not None]
    return Counter(known).most_common(1)[0][1] / len(known) if known else 0.0


def _rewards(policy: ScoredPolicy, reward: str) -> list[float | None]:
    return [row.reward for row in policy.rewards[reward].values()]
