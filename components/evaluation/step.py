"""Compare a policy with base, start and champion over the same prompts and noise, and look for signs of decay.

Reads    samples.jsonl and rewards.jsonl of everybody's shards; the pictures of candidate and base
Writes   comparisons.jsonl (scorer x split x reference x sampler), signals.jsonl, panel.png
Needs    a CPU; numpy and Pillow, no torch
"""

from __future__ import annotations

from components.core import store
from components.core.contracts import EvaluationRequest, EvaluationResult, ScorerComparison
from components.core.errors import BadData
from components.core.records import dump_rows
from components.evaluation import limits, panel, slices, statistics
from components.evaluation.comparisons import Compared, compare_all, generalisation, read_deployed, read_trained
from components.evaluation.signals.all import all_signals
from components.evaluation.signals.evidence import Evidence
from components.evaluation.tables import ScoredPolicy


def run(request: EvaluationRequest, out: store.Attempt) -> EvaluationResult:
    """Pair, compare, hold every signal against its limits, draw the panel.

    Raises BadData where pictures cannot be compared: other prompts, seeds or scorers, a picture without a row, or a
    split on which the reward has no scored pair.
    """
    trained, deployed = read_trained(request), read_deployed(request)
    comparisons = compare_all(trained, request) + (compare_all(deployed, request) if deployed else [])
    evidence = _evidence(trained, request, comparisons)
    signals = all_signals(evidence)

    out.write("comparisons.jsonl", dump_rows(comparisons))
    out.write("signals.jsonl", dump_rows(signals))
    candidate, base, others = trained.candidate, trained.base, trained.references
    out.write("panel.png", panel.draw(base, candidate, policy=request.policy, columns=request.panel))
    return EvaluationResult(
        policy=request.policy,
        policy_id=candidate.policy_id,
        base_id=base.policy_id,
        start_id=others.get("start", base).policy_id,
        champion_id=others["champion"].policy_id if "champion" in others else None,
        comparisons=tuple(comparisons),
        kl_to_base=evidence.kl_to_base,
        generalisation=generalisation(comparisons, request.reward),
        signals=signals,
        worst=slices.worst(candidate, base, (request.reward, *request.judges)),
        calibration=evidence.limits.label,
    )


def _evidence(trained: Compared, request: EvaluationRequest, comparisons: list[ScorerComparison]) -> Evidence:
    """Candidate and base with the statistics of their pictures, and the limits for this base, set and reward."""
    candidate, base = trained.candidate, trained.base
    ours, theirs = (statistics.table(policy.measured(statistics.of_picture)) for policy in (candidate, base))
    return Evidence(
        request=request,
        candidate=candidate,
        base=base,
        candidate_statistics_NS=ours,
        base_statistics_NS=theirs,
        comparisons=comparisons,
        kl_to_base=_kl_to_base(candidate, base),
        limits=limits.applying(
            request.guard.calibration,
            base_id=base.policy_id,
            evaluation_set=request.evaluation.set,
            reward=request.reward,
        ),
    )


def _kl_to_base(candidate: ScoredPolicy, base: ScoredPolicy) -> float:
    """Mean over the candidate's pictures of their path's KL to the base, nats. 0 for the base itself."""
    if candidate.policy_id == base.policy_id:
        return 0.0
    path_kl = [row.kl_to_base for _, row in sorted(candidate.samples.items()) if row.kl_to_base is not None]
    if len(path_kl) != len(candidate.samples):
        lacking = len(candidate.samples) - len(path_kl)
        raise BadData(
            f"{lacking} pictures of policy {candidate.policy_id} lack their KL to the base",
            hint="sample an evaluation with kl_to_base = true",
        )
    return sum(path_kl) / len(path_kl)
