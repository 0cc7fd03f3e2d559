"""Candidate against reference on the same prompts and the same noise, picture by picture.

The noise of a picture moves its reward far more than a policy does, and it is the same in both pictures of a pair: the
difference is free of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.core.config import EvaluationConfig
from components.core.contracts import Interval, ScorerComparison
from components.core.errors import BadData
from components.core.seeds import derive_seed
from components.evaluation import bootstrap
from components.evaluation.bootstrap import Floats
from components.evaluation.tables import ScoredPolicy

NO_SPREAD = 1e-12
"""A standard deviation below this share of the largest reward is rounding, and counts as 0."""


@dataclass(frozen=True)
class Pairs:
    """Rewards of one scorer on one split: an array of seeds a prompt, candidate and reference in the same order."""

    candidate: list[Floats]
    reference: list[Floats]
    reference_std: float
    """Over all scored pictures of the reference on this split: the same unit for every candidate."""
    missing: int
    """Pairs of which one picture or both have no reward."""

    @property
    def difference(self) -> list[Floats]:
        """Candidate minus reference, a prompt at a time."""
        return [candidate - reference for candidate, reference in zip(self.candidate, self.reference, strict=True)]


def check_same_noise(candidate: ScoredPolicy, reference: ScoredPolicy) -> None:
    """Every picture has its twin: same prompt, same split, same seed. Raises BadData naming the first that has not."""
    for key in sorted(candidate.samples.keys() ^ reference.samples.keys()):
        raise BadData(f"picture {key[1]} of {key[0]!r} was drawn by one policy only", hint="same set, same seeds?")
    for key, row in candidate.samples.items():
        twin = reference.samples[key]
        for field in ("text", "split", "seed"):
            ours, theirs = getattr(row, field), getattr(twin, field)
            if ours != theirs:
                raise BadData(
                    f"{row.sample_id}: {field} is {ours!r} for the candidate and {theirs!r} for the reference",
                    hint="pictures are compared on the same prompts and noise only",
                )


def check_same_scorers(candidate: ScoredPolicy, reference: ScoredPolicy) -> None:
    """Both were scored by the same scorers. Raises BadData naming the scorer and its two identities."""
    for scorer, rows in candidate.rewards.items():
        ours, theirs = ({row.scorer_id for row in side.values()} for side in (rows, reference.rewards[scorer]))
        if ours != theirs:
            raise BadData(f"{scorer} is {ours} for the candidate and {theirs} for the reference: not comparable")


def pair(candidate: ScoredPolicy, reference: ScoredPolicy, scorer: str, split: str) -> Pairs:
    """Pair two policies by (prompt, index). Sorted, so that the order of rows and shards changes nothing.

    No array is empty: a prompt of which no pair is left is left out.
    """
    pairs: dict[str, list[tuple[float, float]]] = {}
    spread: list[float] = []
    missing = 0
    for key in sorted(reference.keys_of(split)):
        ours, theirs = candidate.reward(scorer, key), reference.reward(scorer, key)
        if theirs is not None:
            spread.append(theirs)
        if ours is None or theirs is None:
            missing += 1
        else:
            pairs.setdefault(key[0], []).append((ours, theirs))
    return Pairs(
        candidate=[np.array([ours for ours, _ in rows]) for rows in pairs.values()],
        reference=[np.array([theirs for _, theirs in rows]) for rows in pairs.values()],
        reference_std=standard_deviation(spread),
        missing=missing,
    )


def standard_deviation(rewards: list[float]) -> float:
    """Sample standard deviation (n-1); exactly 0 for one picture, or where all have the same reward.

    >>> standard_deviation([1.0, 2.0, 3.0]), standard_deviation([0.1, 0.1, 0.1]), standard_deviation([5.0])
    (1.0, 0.0, 0.0)
    """
    values = np.array(rewards)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return deviation if deviation > NO_SPREAD * np.abs(values).max(initial=0.0) else 0.0


def compare(
    pairs: Pairs,
    *,
    scorer: str,
    split: str,
    reference: str,
    evaluation: EvaluationConfig,
    sampler: Literal["trained", "deployed"] = "trained",
) -> ScorerComparison:
    """Means, paired difference and gain with their intervals.

    The bootstrap's seed holds the evaluation set and the split only, so that every policy, scorer and reference meets
    the same resamples, and a repeat has the same bytes.
    """
    difference = bootstrap.interval(
        pairs.difference,
        resamples=evaluation.resamples,
        confidence=evaluation.confidence,
        seed=derive_seed("bootstrap", evaluation.set, split),
    )
    return ScorerComparison(
        scorer=scorer,
        split=split,
        reference=reference,
        sampler=sampler,
        prompts=len(pairs.reference),
        pairs=sum(len(of_prompt) for of_prompt in pairs.reference),
        reference_mean=bootstrap.mean_over_prompts(pairs.reference),
        reference_std=pairs.reference_std,
        candidate_mean=bootstrap.mean_over_prompts(pairs.candidate),
        difference=difference,
        gain=in_units_of(pairs.reference_std, difference),
        missing=pairs.missing,
    )


def in_units_of(deviation: float, difference: Interval) -> Interval:
    """A difference in standard deviations, which are taken as known.

    With a deviation of 0 (a judge that was right about every picture of the reference, say) there is no such unit: the
    gain is 0 by convention, `reference_std` = 0 tells it apart, and `difference` still says what happened.
    """
    if deviation == 0:
        return Interval(mean=0.0, low=0.0, high=0.0)
    return Interval(mean=difference.mean / deviation, low=difference.low / deviation, high=difference.high / deviation)
