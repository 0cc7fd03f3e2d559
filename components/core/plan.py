"""From (config, iteration) to the requests of its steps. Pure: no store, no clock, no environment.

Names are those of the files that a plan commits: `prompts`, `sampling-00`, `scoring-00`, `training`, `evaluation`.
"""

from __future__ import annotations

from components.core.config import RunConfig
from components.core.contracts import (
    EvaluatedPolicy,
    EvaluationRequest,
    PolicyRef,
    PromptsRequest,
    RegistrationRequest,
    Request,
    SamplingRequest,
    ScoringRequest,
    Shard,
    TrainingRequest,
)
from components.core.layout import BASE, RunLayout, policy_name
from components.core.seeds import evaluation_seed, iteration_seed

HISTORY_ITERATIONS = 64
"""Iterations of reward tables that a history advantage looks back on: more than any buffer needs."""


def policy_ref(config: RunConfig, run: RunLayout, k: int) -> PolicyRef:
    """Policy k of a run: the start for 0, else what iteration k-1 trained."""
    return PolicyRef(base=config.base, adapter=run.training(k - 1) if k else config.start_adapter)


def iteration_requests(config: RunConfig, run: RunLayout, k: int) -> dict[str, Request]:
    """Every request of iteration k."""
    shards = range(config.prompts.shards)
    policy = policy_ref(config, run, k)
    requests: dict[str, Request] = {
        "prompts": PromptsRequest(
            out=run.prompts(k),
            prompts=config.prompts,
            seed=config.seed,
            iteration=k,
            evaluation_set=config.evaluation.set,
        )
    }
    for s in shards:
        requests[f"sampling-{s:02d}"] = SamplingRequest(
            out=run.sampling(k, s),
            prompts=run.prompts(k),
            shard=s,
            shards=len(shards),
            policy=policy,
            seed=iteration_seed(config.seed, k, "sampling"),
            sampler=config.sampler,
        )
        requests[f"scoring-{s:02d}"] = ScoringRequest(
            out=run.scoring(k, s), sampling=run.sampling(k, s), scorers=(config.reward,)
        )
    earlier = range(max(0, k - HISTORY_ITERATIONS), k) if config.training.advantage.kind == "history" else ()
    requests["training"] = TrainingRequest(
        out=run.training(k),
        iteration=k,
        policy=policy,
        fresh_optimizer=k == 0,
        shards=tuple(Shard(sampling=run.sampling(k, s), scoring=run.scoring(k, s)) for s in shards),
        history=tuple(run.scoring(j, s) for j in earlier for s in shards),
        reward=config.reward.name,
        sampler=config.sampler,
        training=config.training,
        seed=iteration_seed(config.seed, k, "training"),
    )
    return requests


def evaluation_prompts_request(config: RunConfig, run: RunLayout) -> PromptsRequest:
    """Lay out the evaluation set, once a run."""
    return PromptsRequest(
        out=run.evaluation_prompts,
        prompts=config.prompts,
        seed=0,
        iteration=None,
        evaluation_set=config.evaluation.set,
        evaluation_seeds=config.evaluation.seeds,
    )


def evaluation_requests(config: RunConfig, run: RunLayout, k: int) -> dict[str, Request]:
    """Every request of policy k's evaluation: its pictures, their scores, and the report.

    A run that starts from a champion also draws the bare base's pictures, beside policy 0's.
    """
    warm = config.start_adapter is not None
    requests: dict[str, Request] = {}
    drawn = [(policy_name(k), policy_ref(config, run, k))]
    if warm and k == 0:
        drawn.insert(0, (BASE, PolicyRef(base=config.base)))
    for position, (name, policy) in enumerate(drawn):
        for s in range(config.evaluation.shards):
            n = position * config.evaluation.shards + s
            requests[f"sampling-{n:02d}"] = _evaluation_sampling(config, run, name, policy, s)
            requests[f"scoring-{n:02d}"] = ScoringRequest(
                out=run.evaluation_scoring(name, s),
                sampling=run.evaluation_sampling(name, s),
                scorers=(config.reward, *config.evaluation.judges),
            )
    start = _evaluated(config, run, policy_name(0))
    requests["evaluation"] = EvaluationRequest(
        out=run.report(k),
        policy=k,
        candidate=_evaluated(config, run, policy_name(k)),
        base=_evaluated(config, run, BASE) if warm else start,
        start=start,
        reward=config.reward.name,
        judges=tuple(judge.name for judge in config.evaluation.judges),
        evaluation=config.evaluation,
    )
    return requests


def registration_request(config: RunConfig, run: RunLayout, k: int, *, evaluated: bool) -> RegistrationRequest:
    """Register policy k (k >= 1: the base is nobody's fine-tune)."""
    return RegistrationRequest(
        out=run.registration(k),
        run=run.uri,
        policy=k,
        training=run.training(k - 1),
        evaluation=run.report(k) if evaluated else None,
        base=config.base,
        model=config.registration.model,
    )


def evaluation_due(config: RunConfig, k: int, iterations: int) -> bool:
    """Whether policy k is evaluated: the start, every n-th, and the last."""
    return k % config.evaluation.every == 0 or k == iterations


def _evaluation_sampling(
    config: RunConfig, run: RunLayout, name: str, policy: PolicyRef, shard: int
) -> SamplingRequest:
    return SamplingRequest(
        out=run.evaluation_sampling(name, shard),
        prompts=run.evaluation_prompts,
        shard=shard,
        shards=config.evaluation.shards,
        policy=policy,
        seed=evaluation_seed(config.evaluation.set),
        sampler=config.sampler,
        trajectories=False,
        kl_to_base=True,
    )


def _evaluated(config: RunConfig, run: RunLayout, name: str) -> EvaluatedPolicy:
    return EvaluatedPolicy(
        shards=tuple(
            Shard(sampling=run.evaluation_sampling(name, s), scoring=run.evaluation_scoring(name, s))
            for s in range(config.evaluation.shards)
        )
    )
