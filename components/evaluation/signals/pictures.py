"""What the pictures themselves tell: their statistics, and their diversity in a judge's eyes."""

from __future__ import annotations

import numpy as np

from components.core.contracts import Signal
from components.evaluation import diversity, statistics
from components.evaluation.bootstrap import Floats
from components.evaluation.signals.evidence import Evidence
from components.evaluation.signals.level import calibrated, unavailable
from components.evaluation.tables import Key, ScoredPolicy

CORRELATED = 0.5
"""Rank correlation with the reward from which on a statistic is what the reward pushes, and no evidence against it."""
EMBEDDING = "embedding"
"""Part of a judge's row: the picture as that judge sees it."""


def statistic_shifts(evidence: Evidence) -> list[Signal]:
    """`statistic:<name>`: how far its mean moved, in standard deviations of the base's pictures."""
    moved = statistics.shifts(evidence.candidate_statistics_NS, evidence.base_statistics_NS)
    pushed = reward_correlations(evidence)
    return [_shift(name, value, pushed[name], evidence) for name, value in moved.items()]


def reward_correlations(evidence: Evidence) -> dict[str, float]:
    """Rank correlation of each statistic with the reward over the base's own pictures: the same at every evaluation."""
    rewards = [evidence.base.reward(evidence.request.reward, key) for key in evidence.keys]
    known_N = np.array([reward is not None for reward in rewards])
    reward_N = np.array([reward for reward in rewards if reward is not None])
    columns = evidence.base_statistics_NS[known_N].T
    return {
        name: statistics.rank_correlation(column_N, reward_N)
        for name, column_N in zip(statistics.NAMES, columns, strict=True)
    }


def _shift(name: str, value: float | None, correlation: float, evidence: Evidence) -> Signal:
    signal, unit = f"statistic:{name}", "sd of base pictures"
    if value is None:
        return unavailable(signal, unit, "all of the base's pictures have the same")
    reward = evidence.request.reward
    pushed = f"{reward} pushes it, their rank correlation over base pictures is {correlation:+.2f}"
    return calibrated(
        signal,
        value,
        unit,
        f"{name.replace('_', ' ')} moved by {value:+.2f} sd",
        side="either",
        limits=evidence.limits,
        silenced=pushed if abs(correlation) >= CORRELATED else "",
    )


def diversities(evidence: Evidence) -> list[Signal]:
    """`diversity:within_prompt` and `diversity:between_prompts`, as shares of the base's."""
    ours, theirs = embedded_prompts(evidence)
    measures = {diversity.WITHIN: diversity.within_prompt, diversity.BETWEEN: diversity.between_prompts}
    return [_ratio(f"diversity:{name}", of(ours), of(theirs), evidence) for name, of in measures.items()]


def _ratio(name: str, ours: float | None, theirs: float | None, evidence: Evidence) -> Signal:
    unit = "share of the base's"
    if ours is None or theirs is None or theirs <= 0:
        return unavailable(name, unit, "not available: no judge gives embeddings of enough pictures")
    ratio = ours / theirs
    said = f"{name.partition(':')[2].replace('_', ' ')} diversity is {ratio:.0%} of the base's {theirs:.3g}"
    return calibrated(name, ratio, unit, said, side="below", limits=evidence.limits)


def embedded_prompts(evidence: Evidence) -> tuple[list[Floats], list[Floats]]:
    """Embeddings of candidate and base, one (K, D) array a prompt, of the pictures that have one in both.

    By the first judge that gives any; empty where none does.
    """
    for judge in evidence.request.judges:
        both = [key for key in evidence.keys if _embedding(evidence.candidate, judge, key) is not None]
        both = [key for key in both if _embedding(evidence.base, judge, key) is not None]
        if both:
            prompts: dict[str, list[Key]] = {}
            for key in both:
                prompts.setdefault(key[0], []).append(key)
            return tuple(  # type: ignore[return-value]  # two of them: candidate and base
                [np.array([_embedding(policy, judge, key) for key in keys]) for keys in prompts.values()]
                for policy in (evidence.candidate, evidence.base)
            )
    return [], []


def _embedding(policy: ScoredPolicy, judge: str, key: Key) -> object:
    return policy.rewards[judge][key].parts.get(EMBEDDING)
