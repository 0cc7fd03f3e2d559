"""From (config, iteration) to the requests of its steps. Pure: no store, no clock, no environment.

Names are those of the files that a plan commits: `prompts`, `sampling-00`, `scoring-00`, `training`, `evaluation`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from components.core.config import RewardConfig, RunConfig
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
from components.core.layout import BASE, CHAMPION, RunLayout, iteration_number, policy_name
from components.core.seeds import evaluation_seed, iteration_seed

LIST_ROUNDS = 16
"""Iterations that a prompt list may take to come round, for a history advantage to find all that its buffer holds."""
TEXT_MASKED = "text_masked"
"""The probe that scores a picture once its painted words are masked, with the run's own reward."""


def policy_ref(config: RunConfig, run: RunLayout, k: int) -> PolicyRef:
    """Policy k of a run: the start for 0, else what iteration k-1 trained."""
    return PolicyRef(base=config.base, adapter=run.training(k - 1) if k else config.start_adapter)


def iteration_requests(config: RunConfig, run: RunLayout, k: int, *, rate: float = 1.0) -> dict[str, Request]:
    """Every request of iteration k. `rate` is what the guard leaves of the learning rate."""
    shards = range(config.prompts.shards)
    policy = policy_ref(config, run, k)
    requests: dict[str, Request] = {
        "prompts": PromptsRequest(
            out=run.prompts(k),
            prompts=config.prompts,
            seed=config.seed,
            iteration=k,
            evaluation_set=config.evaluation.set,
            file=prompt_file(config, run),
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
    earlier = range(max(0, k - _looked_back_on(config)), k)
    requests["training"] = TrainingRequest(
        out=run.training(k),
        iteration=k,
        policy=policy,
        fresh_optimizer=k == 0,
        shards=tuple(Shard(sampling=run.sampling(k, s), scoring=run.scoring(k, s)) for s in shards),
        history=tuple(run.scoring(j, s) for j in earlier for s in shards),
        reward=config.reward.name,
        sampler=config.sampler,
        training=config.training.model_copy(update={"learning_rate": config.training.learning_rate * rate}),
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
        file=prompt_file(config, run),
    )


def _looked_back_on(config: RunConfig) -> int:
    """Earlier iterations whose rewards a training reads: what fills a prompt's buffer. Advantages without a history
    look at the last one, for its scorer's identity: another one is refused."""
    if config.training.advantage.kind != "history":
        return 1
    return LIST_ROUNDS * math.ceil(config.training.advantage.buffer / config.prompts.samples_per_prompt)


def evaluation_requests(
    config: RunConfig, run: RunLayout, k: int, *, champion: str | None = None, start_queries: int = 0
) -> dict[str, Request]:
    """Every request of policy k's evaluation: its pictures, their scores, and the report.

    Base and champion are drawn once a run, beside policy 0, where they are not policy 0 themselves. `champion` is the
    training that committed it (None: the base is), and `start_queries` what the warm starts before this run had cost.
    """
    drawn = [(policy_name(k), policy_ref(config, run, k))]
    if k == 0:
        drawn = [*((name, PolicyRef(base=config.base, adapter=a)) for name, a in _others(config, champion)), *drawn]
    requests: dict[str, Request] = {}
    for name, policy in drawn:
        for sampling in _evaluation_samplings(config, run, name, policy):
            n = len(requests) // 2
            requests[f"sampling-{n:02d}"] = sampling
            requests[f"scoring-{n:02d}"] = ScoringRequest(
                out=sampling.out.removesuffix("sampling") + "scoring", sampling=sampling.out, scorers=scorers(config)
            )
    names = dict(_others(config, champion))
    start = _evaluated(config, run, policy_name(0))
    requests["evaluation"] = EvaluationRequest(
        out=run.report(k),
        policy=k,
        candidate=_evaluated(config, run, policy_name(k)),
        base=_evaluated(config, run, BASE) if BASE in names else start,
        start=start,
        champion=_evaluated(config, run, CHAMPION) if CHAMPION in names else start if champion else None,
        reward=config.reward.name,
        judges=tuple(judge.name for judge in config.evaluation.judges),
        probes=tuple(probe.name for probe in config.evaluation.probes),
        evaluation=config.evaluation,
        guard=config.guard,
        lifetime_queries=start_queries + k * config.samples_per_iteration,
    )
    return requests


def scorers(config: RunConfig) -> tuple[RewardConfig, ...]:
    """Everything that scores an evaluation's pictures: reward, judges, probes. `text_masked` masks for the reward."""
    return (
        config.reward,
        *config.evaluation.judges,
        *(_for_reward(config, probe) for probe in config.evaluation.probes),
    )


def rescoring_requests(
    config: RunConfig, run: RunLayout, reward: RewardConfig, scorer: str, group: str
) -> dict[str, ScoringRequest]:
    """Score the stored pictures of a group, an iteration's or an evaluation's, with another scorer."""
    if (k := iteration_number(group)) is not None:
        samplings = [run.sampling(k, s) for s in range(config.prompts.shards)]
    else:
        samplings = [run.evaluation_sampling(group, s) for s in range(config.evaluation.shards)]
        samplings += [run.deployed_sampling(group)] if config.evaluation.deployed_seeds else []
    return {
        f"scoring-{n:02d}": ScoringRequest(
            out=run.rescored_scoring(scorer, group, n), sampling=sampling, scorers=(_for_reward(config, reward),)
        )
        for n, sampling in enumerate(samplings)
    }


def registration_request(config: RunConfig, run: RunLayout, k: int, *, evaluated: bool) -> RegistrationRequest:
    """Register policy k; 0 is the base itself, which nobody trained."""
    return RegistrationRequest(
        out=run.registration(k),
        run=run.uri,
        policy=k,
        training=run.training(k - 1) if k else None,
        evaluation=run.report(k) if evaluated else None,
        base=config.base,
        model=config.registration.model,
    )


def evaluation_due(config: RunConfig, k: int, iterations: int) -> bool:
    """Whether policy k is evaluated: the start, every n-th, and the last."""
    return k % config.evaluation.every == 0 or k == iterations


def prompt_file(config: RunConfig, run: RunLayout) -> str | None:
    """Where the user's own prompts are frozen: with the run. None for a frozen list."""
    return None if is_listed(config.prompts.train) else run.uri


def is_listed(train: str) -> bool:
    """Whether `prompts.train` names a frozen list: a file's name has a dot or a slash.

    >>> is_listed("simple-animals-v1"), is_listed("cats.txt")
    (True, False)
    """
    return all(c.isalnum() or c in "-_" for c in train)


def _for_reward(config: RunConfig, scorer: RewardConfig) -> RewardConfig:
    if scorer.name != TEXT_MASKED:
        return scorer
    return scorer.model_copy(update={"options": {"reward": config.reward.model_dump(mode="json"), **scorer.options}})


def _others(config: RunConfig, champion: str | None) -> list[tuple[str, str | None]]:
    """Name and adapter of the policies that are compared with and are not policy 0."""
    base = [(BASE, None)] if config.start_adapter is not None else []
    return [*base, (CHAMPION, champion)] if champion not in (None, config.start_adapter) else list(base)


def _evaluation_samplings(config: RunConfig, run: RunLayout, name: str, policy: PolicyRef) -> Iterator[SamplingRequest]:
    """The shards of the training's sampler, and one of the sampler that ships."""
    shards, seeds = config.evaluation.shards, config.evaluation.deployed_seeds
    seed = evaluation_seed(config.evaluation.set)
    for s in range(shards):
        yield SamplingRequest(
            out=run.evaluation_sampling(name, s),
            prompts=run.evaluation_prompts,
            shard=s,
            shards=shards,
            policy=policy,
            seed=seed,
            sampler=config.sampler,
            trajectories=False,
            kl_to_base=True,
        )
    if seeds:
        yield SamplingRequest(
            out=run.deployed_sampling(name),
            prompts=run.evaluation_prompts,
            shard=0,
            shards=1,
            policy=policy,
            seed=seed,
            sampler=config.sampler.model_copy(update={"eta": 0.0}),
            trajectories=False,
            seeds=seeds,
        )


def _evaluated(config: RunConfig, run: RunLayout, name: str) -> EvaluatedPolicy:
    deployed = Shard(sampling=run.deployed_sampling(name), scoring=run.deployed_scoring(name))
    return EvaluatedPolicy(
        shards=tuple(
            Shard(sampling=run.evaluation_sampling(name, s), scoring=run.evaluation_scoring(name, s))
            for s in range(config.evaluation.shards)
        ),
        deployed=(deployed,) if config.evaluation.deployed_seeds else (),
    )
