"""Compare a policy with the base, and with the start of the run, over the same prompts and noise.

Reads    samples.jsonl and rewards.jsonl of the shards of candidate, base and start; the panel's pictures
Writes   comparisons.jsonl (scorer x split x reference), panel.png
Needs    a CPU; numpy and Pillow, no torch
"""

from __future__ import annotations

import logging

from components.core import store
from components.core.contracts import EvaluationRequest, EvaluationResult, ScorerComparison
from components.core.errors import BadData
from components.core.records import dump_rows
from components.evaluation import panel
from components.evaluation.paired import check_same_noise, check_same_scorers, compare, pair
from components.evaluation.tables import ScoredPolicy, read_policy

log = logging.getLogger(__name__)


def run(request: EvaluationRequest, out: store.Attempt) -> EvaluationResult:
    """Pair, compare, draw the panel.

    `start` is compared only where it is not the base itself. Raises BadData where pictures cannot be compared: other
    prompts, seeds or scorers, a picture without a row, or a split on which the reward has no scored pair.
    """
    scorers = (request.reward, *request.judges)
    candidate, base = read_policy(request.candidate, scorers), read_policy(request.base, scorers)
    references = {"base": base}
    if request.start != request.base:
        references["start"] = read_policy(request.start, scorers)

    comparisons: list[ScorerComparison] = []
    for name, reference in references.items():
        comparisons += _against(name, reference, candidate, request)
    out.write("comparisons.jsonl", dump_rows(comparisons))
    out.write("panel.png", panel.draw(base, candidate, policy=request.policy, columns=request.panel))
    return EvaluationResult(
        policy=request.policy,
        policy_id=candidate.policy_id,
        base_id=base.policy_id,
        start_id=references.get("start", base).policy_id,
        comparisons=tuple(comparisons),
        kl_to_base=_kl_to_base(candidate, base),
    )


def _against(
    name: str, reference: ScoredPolicy, candidate: ScoredPolicy, request: EvaluationRequest
) -> list[ScorerComparison]:
    """Every scorer on every split, against one reference. A judge that gave nothing on a split is left out there."""
    check_same_noise(candidate, reference)
    check_same_scorers(candidate, reference)
    comparisons = []
    for scorer in candidate.rewards:
        for split in reference.splits:
            pairs = pair(candidate, reference, scorer, split)
            if pairs.reference:
                comparisons.append(
                    compare(pairs, scorer=scorer, split=split, reference=name, evaluation=request.evaluation)
                )
            elif scorer == request.reward:
                raise BadData(f"{scorer} has no scored pair on split {split!r}: all {pairs.missing} lack a reward")
            else:
                log.warning("%s gave no reward to any pair of split %r: it is not compared", scorer, split)
    return comparisons


def _kl_to_base(candidate: ScoredPolicy, base: ScoredPolicy) -> float:
    """Mean over the candidate's pictures of their path's KL to the base, nats. 0 for the base itself."""
    if candidate.policy_id == base.policy_id:
        return 0.0
    path_kl = [row.kl_to_base for row in candidate.samples.values() if row.kl_to_base is not None]
    if len(path_kl) != len(candidate.samples):
        lacking = len(candidate.samples) - len(path_kl)
        raise BadData(
            f"{lacking} pictures of policy {candidate.policy_id} lack their KL to the base",
            hint="sample an evaluation with kl_to_base = true",
        )
    return sum(path_kl) / len(path_kl)
