"""The state of a run, derived from what is committed, and the decision what to do next.

Nothing here is stored twice: how far a run is, is how many trainings are committed. What people ask of a run (stop,
resume, extend) is an append-only log of small objects, each created once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from components.core import guard, spending, store
from components.core.config import Contract, RunConfig, StopConfig
from components.core.contracts import EvaluationResult, ScorerComparison, StartRequest, TrainingResult
from components.core.errors import BadData, BadRequest, MissingInput, Unavailable
from components.core.guard import Verdict
from components.core.layout import RunLayout, policy_number
from components.core.plan import evaluation_due
from components.core.records import HELD_OUT


class Control(Contract):
    """One thing that a person asked of a run."""

    action: Literal["stop", "resume", "extend"]
    iterations: int = Field(default=0, ge=0)
    """Further iterations, for `extend`."""
    by: str = ""
    at: datetime


class Decision(Contract):
    """What to do after an iteration, and why."""

    action: Literal["continue", "finish"]
    reason: str
    next_iteration: int | None = None


@dataclass(frozen=True)
class Campaign:
    """One run as its commits tell it."""

    run: RunLayout
    start: StartRequest
    iterations: int
    """Iterations asked for: the config's and every extension."""
    trained: tuple[TrainingResult, ...]
    """Committed trainings, in order; their number is the number of the current policy."""
    reports: tuple[EvaluationResult, ...]
    """Committed evaluations, in order of policy."""
    stopping: bool
    """A person asked to stop, and nobody asked to resume."""
    extended: bool = False
    """A person asked for more iterations: target and plateau no longer end the run."""
    gpu_seconds: float = 0.0
    """Spent in sampling and training; counted where the run has a budget of them, else 0."""

    @property
    def config(self) -> RunConfig:
        """What the run was opened with."""
        return self.start.config

    @property
    def base_id(self) -> str:
        """The base's weights."""
        return self.start.base_id

    @property
    def next_iteration(self) -> int:
        """Iteration that has not been trained yet."""
        return len(self.trained)

    @property
    def reward_queries(self) -> int:
        """Pictures scored for training so far: the x axis of every curve."""
        return self.next_iteration * self.config.samples_per_iteration

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The guard's, one a report."""
        return guard.verdicts(self.reports, self.config.guard.patience)

    @property
    def rate(self) -> float:
        """What the guard leaves of the learning rate: less at each failed evaluation, where that is the policy."""
        if self.config.guard.on_fail != "lower_rate":
            return 1.0
        return self.config.guard.rate_factor ** sum(verdict.level == "fail" for verdict in self.verdicts)

    def held_out(self, report: EvaluationResult) -> ScorerComparison | None:
        """The optimised reward on held-out prompts, against the base."""
        return report.comparison(self.config.reward.name, HELD_OUT)


def load(run: RunLayout) -> Campaign:
    """Read a run's state. Raises MissingInput if there is no such run."""
    opened = store.find(run.uri)
    if opened is None:
        raise MissingInput(f"no run at {run.uri}", hint="`ddpo show` lists the runs of the store")
    start = opened.asked(StartRequest)
    controls = read_controls(run)
    extensions = sum(c.iterations for c in controls if c.action == "extend")
    trained = _trained(run)
    return Campaign(
        run=run,
        start=start,
        iterations=start.config.iterations + extensions,
        trained=trained,
        reports=_reports(run),
        stopping=bool(controls) and controls[-1].action == "stop",
        extended=any(c.action == "extend" for c in controls),
        gpu_seconds=spending.gpu_seconds(run, start.config, len(trained)) if start.config.stop.gpu_hours else 0.0,
    )


def evaluation_owed(campaign: Campaign, policy: int) -> bool:
    """Whether a policy is to be evaluated: when its turn comes, and when the run ends with it, for whatever reason."""
    ends_here = policy == campaign.next_iteration and decide(campaign).action == "finish"
    return ends_here or evaluation_due(campaign.config, policy, campaign.iterations)


def decide(campaign: Campaign) -> Decision:
    """What comes next. Pure: the same state gives the same decision, however often it is asked."""
    done = campaign.next_iteration
    if campaign.stopping:
        return Decision(action="finish", reason=f"stopped by request after {done} iterations")
    if done >= campaign.iterations:
        return Decision(action="finish", reason=f"all {campaign.iterations} iterations done")
    if (ended := _guarded(campaign) or _spent(campaign)) is not None:
        return Decision(action="finish", reason=ended)
    stop = campaign.config.stop if not campaign.extended else StopConfig()
    target, plateau = stop.target_gain, stop.plateau
    gains = [c.gain.mean for report in campaign.reports if (c := campaign.held_out(report)) and report.policy > 0]
    if target is not None and gains and gains[-1] >= target:
        return Decision(action="finish", reason=f"held-out gain {gains[-1]:.2f} sd reached the target {target} sd")
    if plateau is not None and len(gains) > plateau and max(gains[-plateau:]) <= max(gains[:-plateau]):
        return Decision(action="finish", reason=f"no better held-out gain in {plateau} evaluations")
    return Decision(action="continue", reason=f"iteration {done} of {campaign.iterations}", next_iteration=done)


def _guarded(campaign: Campaign) -> str | None:
    """Why the guard ends the run, if it does. Once it has, only another run goes on: `ddpo fork`."""
    if campaign.config.guard.on_fail != "stop":
        return None
    failed = next((verdict for verdict in campaign.verdicts if verdict.level == "fail"), None)
    return f"the guard failed policy {failed.policy}: {failed.said}" if failed else None


def _spent(campaign: Campaign) -> str | None:
    """Which budget is used up, if one is. An extension does not raise a budget."""
    stop, cap = campaign.config.stop, campaign.config.guard.lifetime_queries
    after = campaign.reward_queries + campaign.config.samples_per_iteration
    if stop.reward_queries is not None and after > stop.reward_queries:
        return f"the budget of {stop.reward_queries} reward queries allows no further iteration"
    if cap is not None and campaign.start.start_queries + after > cap:
        return f"the lifetime cap of {cap} reward queries, warm starts included, allows no further iteration"
    if stop.gpu_hours is not None and campaign.gpu_seconds >= stop.gpu_hours * 3600:
        return f"{campaign.gpu_seconds / 3600:.2f} GPU hours are spent, of a budget of {stop.gpu_hours:g}"
    return None


def best_policy(campaign: Campaign) -> int:
    """Number of the best policy that may be shown to people: never one of which a signal fails, confirmed or not.

    Those that pass come before those that are warned of, then the highest held-out gain decides. 0 where none is left,
    or none was evaluated: the run falls back to where it started.
    """
    ranks = {"pass": 1, "warn": 0}
    fit = {
        report.policy: (ranks[level], c.gain.mean, report.policy)
        for report in campaign.reports
        if report.policy and (c := campaign.held_out(report)) and (level := guard.raw_level(report)) in ranks
    }
    return max(fit, key=lambda policy: fit[policy]) if fit else 0


def control(
    run: RunLayout, action: Literal["stop", "resume", "extend"], *, iterations: int = 0, by: str = ""
) -> Control:
    """Append to a run's control log. Two people at once both get a place in it."""
    if action == "extend" and iterations < 1:
        raise BadRequest(f"extend needs at least one iteration, not {iterations}")
    entry = Control(action=action, iterations=iterations, by=by, at=datetime.now(UTC))
    data = entry.model_dump_json(indent=1).encode()
    for place in range(len(store.children(run.control)), 10_000):
        if store.create(f"{run.control}/{place:04d}.json", data):
            return entry
    raise Unavailable(f"no free place in {run.control}")


def read_controls(run: RunLayout) -> list[Control]:
    """The control log, oldest first."""
    names = [name for name in store.children(run.control) if name.endswith(".json")]
    return [Control.model_validate_json(store.read(f"{run.control}/{name}")) for name in sorted(names)]


def list_runs(store_uri: str) -> list[str]:
    """Ids of the runs of a store."""
    runs = f"{store_uri.rstrip('/')}/runs"
    return [name for name in store.children(runs) if store.find(f"{runs}/{name}") is not None]


def load_all(store_uri: str) -> tuple[list[Campaign], list[str]]:
    """Every run of a store that this release can read, and a line for each that it cannot."""
    states, unreadable = [], []
    for name in list_runs(store_uri):
        try:
            states.append(load(RunLayout.of(store_uri, name)))
        except BadData as error:
            unreadable.append(f"{name}: {error}")
    return states, unreadable


def _trained(run: RunLayout) -> tuple[TrainingResult, ...]:
    results: list[TrainingResult] = []
    while (committed := store.find(run.training(len(results)))) is not None:
        results.append(TrainingResult.model_validate(committed.manifest.result))
    return tuple(results)


def _reports(run: RunLayout) -> tuple[EvaluationResult, ...]:
    # Asked of the store and not of the cadence: a policy on which a run was stopped or extended is evaluated too.
    numbers = (number for name in store.children(run.evaluations) if (number := policy_number(name)) is not None)
    found = (store.find(run.report(k)) for k in sorted(numbers))
    return tuple(EvaluationResult.model_validate(c.manifest.result) for c in found if c is not None)
