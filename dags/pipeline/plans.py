"""Commit the requests of one iteration or one evaluation, so that every step's command is `--request <URI>`.

A plan that is committed is honoured, never made again: a newer release of this project cannot change an iteration that
has begun.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.core import campaign, rescoring, store
from components.core.campaign import Campaign
from components.core.config import RewardConfig
from components.core.contracts import Request, Result
from components.core.layout import RunLayout, policy_name
from components.core.plan import (
    evaluation_prompts_request,
    evaluation_requests,
    iteration_requests,
    registration_request,
    rescoring_requests,
)
from dags.pipeline import environment


class PlanRequest(Request):
    """Commit these requests."""

    digests: dict[str, str]
    """Name of a request -> its digest."""


class PlanResult(Result):
    """Files: <name>.json, one request each."""

    requests: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """A committed plan."""

    prefix: str
    names: tuple[str, ...]

    def uri(self, name: str) -> str:
        """What a step's command takes."""
        if name not in self.names:
            raise KeyError(f"{self.prefix} has no request {name!r}")
        return f"{self.prefix}/{name}.json"

    def shards(self) -> list[dict[str, str]]:
        """The pairs of sampling and scoring, in order: arguments of the mapped group."""
        numbers = sorted(name.removeprefix("sampling-") for name in self.names if name.startswith("sampling-"))
        return [{"sampling": self.uri(f"sampling-{n}"), "scoring": self.uri(f"scoring-{n}")} for n in numbers]


def plan_iteration(run: RunLayout, k: int) -> Plan:
    """Requests of iteration k. Raises BadRequest where this deployment cannot train as the config asks."""
    state = campaign.load(run)
    environment.current().require_gpus_for(state.config.training.processes)
    return _commit(run.plan(k), iteration_requests(state.config, run, k, rate=state.rate))


def plan_evaluation(state: Campaign, k: int) -> Plan:
    """Requests of policy k's evaluation. That of the start also lays out the evaluation set, as `prompts`."""
    start = state.start
    requests = evaluation_requests(
        state.config, state.run, k, champion=start.champion, start_queries=start.start_queries
    )
    if k == 0:
        requests = {"prompts": evaluation_prompts_request(state.config, state.run), **requests}
    return _commit(state.run.evaluation_plan(policy_name(k)), requests)


def plan_registration(state: Campaign, k: int) -> Plan:
    """Request to register policy k."""
    evaluated = store.find(state.run.report(k)) is not None
    request = registration_request(state.config, state.run, k, evaluated=evaluated)
    return _commit(state.run.registration_plan(k), {"registration": request})


def plan_rescoring(state: Campaign, scorer: RewardConfig, group: str) -> Plan:
    """Requests to score one group of stored pictures again."""
    name = rescoring.scorer_name(scorer)
    requests = rescoring_requests(state.config, state.run, scorer, name, group)
    return _commit(state.run.rescored_plan(name, group), {**requests})


def _commit(prefix: str, requests: dict[str, Request]) -> Plan:
    committed = store.find(prefix)
    if committed is None:
        digests = {name: request.digest() for name, request in requests.items()}
        with store.Attempt(prefix, step="plan") as attempt:
            for name, request in requests.items():
                attempt.write(f"{name}.json", request.model_dump_json(indent=1).encode())
            attempt.commit(PlanRequest(out=prefix, digests=digests), PlanResult(requests=tuple(requests)))
        committed = store.open_committed(prefix)
    return Plan(prefix, PlanResult.model_validate(committed.manifest.result).requests)
