"""Every scorer on every split, against each reference and by each sampler."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from components.core.contracts import EvaluatedPolicy, EvaluationRequest, ScorerComparison
from components.core.errors import BadData
from components.core.records import HELD_OUT
from components.evaluation.paired import check_same_noise, check_same_scorers, compare, pair
from components.evaluation.tables import ScoredPolicy, read_policy

log = logging.getLogger(__name__)

Sampler = Literal["trained", "deployed"]
SEEN = "seen"
"""The split of the prompts that training used."""


@dataclass(frozen=True)
class Compared:
    """A candidate and what it is compared with, all drawn by one sampler."""

    sampler: Sampler
    candidate: ScoredPolicy
    references: Mapping[str, ScoredPolicy]
    """`base`, and `start` and `champion` where there are such."""

    @property
    def base(self) -> ScoredPolicy:
        """The original model."""
        return self.references["base"]


def read_trained(request: EvaluationRequest) -> Compared:
    """Pictures of the training's sampler: base, start where it is not the base, and the champion where there is one."""
    policies = {"base": request.base}
    if request.start != request.base:
        policies["start"] = request.start
    if request.champion is not None:
        policies["champion"] = request.champion
    return _read(request, "trained", policies)


def read_deployed(request: EvaluationRequest) -> Compared | None:
    """Pictures of the sampler that ships, against base and champion. None where none were drawn."""
    if not request.candidate.deployed:
        return None
    champion = {"champion": request.champion} if request.champion is not None else {}
    return _read(request, "deployed", {"base": request.base, **champion})


def compare_all(compared: Compared, request: EvaluationRequest) -> list[ScorerComparison]:
    """The reward and each judge. A judge that gave nothing on a split is left out there.

    Raises BadData where pictures cannot be compared, or the reward has no scored pair on a split.
    """
    return [
        comparison
        for name, reference in compared.references.items()
        for comparison in _against(name, reference, compared, request)
    ]


def generalisation(comparisons: Sequence[ScorerComparison], reward: str) -> float | None:
    """Held-out gain over seen gain, in each split's own base deviations. None where the seen gain may be 0."""
    of = {c.split: c.gain for c in comparisons if (c.scorer, c.reference, c.sampler) == (reward, "base", "trained")}
    if SEEN not in of or HELD_OUT not in of or of[SEEN].low <= 0:
        return None
    return of[HELD_OUT].mean / of[SEEN].mean


def _read(request: EvaluationRequest, sampler: Sampler, references: Mapping[str, EvaluatedPolicy]) -> Compared:
    scorers = (request.reward, *request.judges, *request.probes)
    distinct = [request.candidate, *references.values()]
    read = [read_policy(policy, scorers, deployed=sampler == "deployed") for policy in dict.fromkeys(distinct)]
    of = dict(zip(dict.fromkeys(distinct), read, strict=True))  # policy 0 is its own base: read once
    return Compared(sampler, of[request.candidate], {name: of[policy] for name, policy in references.items()})


def _against(
    name: str, reference: ScoredPolicy, compared: Compared, request: EvaluationRequest
) -> list[ScorerComparison]:
    candidate = compared.candidate
    check_same_noise(candidate, reference)
    check_same_scorers(candidate, reference)
    comparisons = []
    for scorer in (request.reward, *request.judges):
        for split in reference.splits:
            pairs = pair(candidate, reference, scorer, split)
            if pairs.reference:
                comparisons.append(
                    compare(
                        pairs,
                        scorer=scorer,
                        split=split,
                        reference=name,
                        evaluation=request.evaluation,
                        sampler=compared.sampler,
                    )
                )
            elif scorer == request.reward:
                raise BadData(f"{scorer} has no scored pair on split {split!r}: all {pairs.missing} lack a reward")
            else:
                log.warning("%s gave no reward to any pair of split %r: it is not compared", scorer, split)
    return comparisons
