"""The state of a run, derived from what is committed, and the decision what to do next.

Nothing here is stored twice: how far a run is, is how many trainings are committed. What people ask of a run (stop,
resume, extend) is an append-only log of small objects, each created once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from typing import Literal

from pydantic import Field

from components.core import base_model, store
from components.core.config import Contract, RunConfig, StopConfig
from components.core.contracts import EvaluationResult, ScorerComparison, StartRequest, StartResult, TrainingResult
from components.core.errors import BadRequest, Conflict, MissingInput, Unavailable
from components.core.layout import RunLayout
from components.core.plan import evaluation_due

HELD_OUT = "held_out"
"""The split that decides: prompts of which reinforcement learning saw no part."""


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
    config: RunConfig
    base_id: str
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

    @property
    def next_iteration(self) -> int:
        """Iteration that has not been trained yet."""
        return len(self.trained)

    @property
    def reward_queries(self) -> int:
        """Pictures scored for training so far: the x axis of every curve."""
        return self.next_iteration * self.config.samples_per_iteration

    def held_out(self, report: EvaluationResult) -> ScorerComparison | None:
        """The optimised reward on held-out prompts, against the base."""
        return report.comparison(self.config.reward.name, HELD_OUT)


def open_run(store_uri: str, run_id: str, config: RunConfig) -> RunLayout:
    """Freeze a config under a run id. The same again is fine; another config under the same id is a Conflict."""
    run = RunLayout.of(store_uri, run_id)
    request = StartRequest(out=run.uri, config=config, base_id=base_model.identify(config.base))
    existing = store.find(run.uri)
    if existing is None:
        with store.Attempt(run.uri, step="start") as attempt:
            attempt.commit(request, StartResult(run=run.run_id))
    elif (opened := StartRequest.model_validate(existing.manifest.request)) != request:  # a new key's default is equal
        changed = ", ".join(_differences(opened, request))
        raise Conflict(
            f"run {run.run_id} exists with another config: it differs in {changed}",
            hint="choose another --run-id, or `ddpo resume` to go on with the config it has",
        )
    return run


def load(run: RunLayout) -> Campaign:
    """Read a run's state. Raises MissingInput if there is no such run."""
    opened = store.find(run.uri)
    if opened is None:
        raise MissingInput(f"no run at {run.uri}", hint="`ddpo show` lists the runs of the store")
    start = StartRequest.model_validate(opened.manifest.request)
    controls = read_controls(run)
    extensions = (c.iterations for c in controls if c.action == "extend")
    ends = tuple(accumulate(extensions, initial=start.config.iterations))
    trained = _trained(run)
    return Campaign(
        run=run,
        config=start.config,
        base_id=start.base_id,
        iterations=ends[-1],
        trained=trained,
        reports=_reports(run, start.config, len(trained), ends),
        stopping=bool(controls) and controls[-1].action == "stop",
        extended=any(c.action == "extend" for c in controls),
    )


def decide(campaign: Campaign) -> Decision:
    """What comes next. Pure: the same state gives the same decision, however often it is asked."""
    done = campaign.next_iteration
    if campaign.stopping:
        return Decision(action="finish", reason=f"stopped by request after {done} iterations")
    if done >= campaign.iterations:
        return Decision(action="finish", reason=f"all {campaign.iterations} iterations done")
    stop = campaign.config.stop if not campaign.extended else StopConfig()
    target, plateau = stop.target_gain, stop.plateau
    gains = [c.gain.mean for report in campaign.reports if (c := campaign.held_out(report)) and report.policy > 0]
    if target is not None and gains and gains[-1] >= target:
        return Decision(action="finish", reason=f"held-out gain {gains[-1]:.2f} sd reached the target {target} sd")
    if plateau is not None and len(gains) > plateau and max(gains[-plateau:]) <= max(gains[:-plateau]):
        return Decision(action="finish", reason=f"no better held-out gain in {plateau} evaluations")
    return Decision(action="continue", reason=f"iteration {done} of {campaign.iterations}", next_iteration=done)


def best_policy(campaign: Campaign) -> int:
    """Number of the evaluated policy with the highest held-out gain; the newest one where none was evaluated."""
    gains = {
        report.policy: c.gain.mean for report in campaign.reports if (c := campaign.held_out(report)) and report.policy
    }
    return max(gains, key=lambda policy: (gains[policy], policy)) if gains else campaign.next_iteration


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


def _trained(run: RunLayout) -> tuple[TrainingResult, ...]:
    results: list[TrainingResult] = []
    while (committed := store.find(run.training(len(results)))) is not None:
        results.append(TrainingResult.model_validate(committed.manifest.result))
    return tuple(results)


def _reports(run: RunLayout, config: RunConfig, trained: int, ends: tuple[int, ...]) -> tuple[EvaluationResult, ...]:
    # The last policy before each extension was due then, though it may not be due now: ask for what is there.
    numbers = {k for k in range(trained + 1) if evaluation_due(config, k, ends[-1])} | {*ends, trained}
    found = (store.find(run.report(k)) for k in sorted(numbers))
    return tuple(EvaluationResult.model_validate(c.manifest.result) for c in found if c is not None)


def _differences(old: StartRequest, new: StartRequest) -> list[str]:
    """Dotted keys whose values differ."""
    before, after = _flat(old.config.model_dump(mode="json")), _flat(new.config.model_dump(mode="json"))
    keys = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    return keys or ["the base model's weights"]


def _flat(tree: dict[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
