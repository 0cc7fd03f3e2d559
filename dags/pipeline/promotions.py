"""From a run's policy to a model's champion: what the DAG and the command line both do.

judge     hold the policy against the gates, and remember how long the promotion log was
register  the policy, and the base where the log is empty: a champion that a rollback can always return to
begin     the base is entry 0 of the log
promote   the next entry, if nobody was first
project   MLflow's aliases follow the log
"""

from __future__ import annotations

from dataclasses import dataclass

from components.core import audit, campaign, gates, promotion, store
from components.core.campaign import Campaign
from components.core.contracts import RegistrationResult
from components.core.errors import BadRequest, Conflict, MissingInput
from components.core.gates import Gate, Gates
from components.core.layout import RunLayout
from components.core.promotion import Candidate, Promotion
from dags.pipeline import plans

AUTOMATIC = "automatic"
"""Who approved, where the gates alone did."""


@dataclass(frozen=True)
class Judgement:
    """A policy held against its gates, at one state of the promotion log."""

    state: Campaign
    policy: int
    gates: Gates
    champion: Promotion | None
    """The model's, when it was judged."""
    entries: int
    """Length of the log then."""

    @property
    def model(self) -> str:
        """Registered model."""
        return self.state.config.registration.model

    @property
    def expected(self) -> int:
        """Entries that the log must still have when the policy is promoted; the base is entry 0 by then."""
        return max(1, self.entries)

    @property
    def needs_person(self) -> str | None:
        """Why somebody has to approve; None: the config leaves it to the gates."""
        return self.gates.needs_person


def judge(run: RunLayout, policy: int | None = None) -> Judgement:
    """Hold a policy (None: the best that passes) against the champion of now."""
    state = campaign.load(run)
    if not state.config.registration.enabled:
        raise BadRequest(f"registration is switched off in the config of {run.run_id}", hint="`ddpo fork` with it on")
    number = campaign.best_policy(state) if policy is None else policy
    if not 0 <= number <= state.next_iteration:
        raise BadRequest(f"{run.run_id} has no policy {number}", hint=f"0 to {state.next_iteration}; `ddpo show` lists")
    log = promotion.read_log(run.store, state.config.registration.model)
    stack = promotion.standing(log)
    champion = stack[-1] if stack else None
    known = number or policy is not None
    judged = gates.judge(state, number, champion, audit.audited(state)) if known else _none_fit(state)
    return Judgement(state, number, judged, champion, len(log))


def registrations(judgement: Judgement) -> list[str]:
    """Requests to be run before the promotion: the policy's, and the base's where the log is empty."""
    first = [0] if not judgement.entries else []
    return [plans.plan_registration(judgement.state, k).uri("registration") for k in (*first, judgement.policy)]


def candidate(state: Campaign, policy: int) -> Candidate:
    """A registered policy of a run, as the log takes it. Raises MissingInput if it is not registered."""
    place = state.run.registration(policy)
    committed = store.find(place)
    if committed is None:
        raise MissingInput(f"policy {policy} of {state.run.run_id} is not registered", hint="`register` does that")
    return Candidate(
        policy_id=RegistrationResult.model_validate(committed.manifest.result).policy_id,
        base_id=state.base_id,
        run=state.run.uri,
        policy=policy,
        training=state.run.training(policy - 1) if policy else None,
        registration=place,
    )


def begin(state: Campaign) -> Promotion | None:
    """Put the registered base at the head of an empty log. None where it has one, of the same base.

    Raises Conflict where the model's log belongs to another base.
    """
    model, store_uri = state.config.registration.model, state.run.store
    log = promotion.read_log(store_uri, model)
    if not log:
        try:
            base = candidate(state, 0)
            return promotion.promote(store_uri, model, base, expected=0, by=AUTOMATIC, reason="where a model starts")
        except Conflict:  # another run of the same model was first
            log = promotion.read_log(store_uri, model)
    if log[0].base_id != state.base_id:
        raise Conflict(
            f"{model} belongs to the base {log[0].base_id}, not to {state.base_id}",
            hint="policies of two bases cannot replace one another: choose another registration.model",
        )
    return None


def promote(state: Campaign, policy: int, *, expected: int, by: str, reason: str) -> Promotion:
    """Make a registered policy the champion. Raises Conflict if the log has grown since it was judged."""
    model = state.config.registration.model
    return promotion.promote(state.run.store, model, candidate(state, policy), expected=expected, by=by, reason=reason)


def verdict_line(state: Campaign) -> str:
    """The guard's word on the newest evaluation, in one line; empty before there is one."""
    if not state.verdicts:
        return ""
    verdict = state.verdicts[-1]
    return f"policy {verdict.policy}: the guard says {verdict.level}: {verdict.said}"


def as_text(judgement: Judgement) -> str:
    """The gates as a table for a terminal."""
    width = max(len(gate.name) for gate in judgement.gates.gates)
    lines = [f"{gate.name:<{width}}  {_mark(gate.passed):<4}  {gate.reason}" for gate in judgement.gates.gates]
    return "\n".join([f"policy {judgement.policy} of {judgement.state.run.run_id} for {judgement.model}:", *lines])


def as_markdown(judgement: Judgement) -> str:
    """The gates as a table for Airflow's page of required actions."""
    rows = [f"| {g.name} | {_mark(g.passed)} | {g.reason.replace('|', '/')} |" for g in judgement.gates.gates]
    champion = judgement.champion
    now = (
        f"policy {champion.policy} of {RunLayout(champion.run).run_id}" if champion and champion.policy else "the base"
    )
    return "\n".join(
        [
            f"Policy **{judgement.policy}** of run **{judgement.state.run.run_id}** would become champion of "
            f"**{judgement.model}**. Champion now: {now}.",
            "",
            f"A person decides: {judgement.needs_person}. No answer in time is a rejection.",
            "",
            "| gate | result | what was found |",
            "|---|---|---|",
            *rows,
        ]
    )


def _none_fit(state: Campaign) -> Gates:
    reason = f"no policy of {state.run.run_id} may be shown to people: it falls back to where it started"
    return Gates(policy=0, policy_id="", gates=(Gate(name="guard", passed=False, reason=reason),))


def _mark(passed: bool) -> str:
    return "pass" if passed else "FAIL"
