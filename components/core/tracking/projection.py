"""Project a run's commits onto MLflow: a parent run that carries every curve, and a child run an iteration."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from components.core import campaign, rescoring, store
from components.core.campaign import Campaign, Decision
from components.core.contracts import Manifest
from components.core.layout import RunLayout, policy_name
from components.core.tracking import labels
from components.core.tracking.connection import connect, experiment_of, shown
from components.core.tracking.curves import Point, evaluation_points, iteration_points, queries_point, rescored_points
from components.core.tracking.facts import EvaluationFacts, IterationFacts, read_evaluation, read_iteration
from components.core.tracking.runs import is_deleted, the_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

SCHEME = 2
"""Version of the names and points. One more replays a run from its first iteration the next time it is projected."""

TRIES = 5
"""Times that one call starts again because others, at work on the same run, took its MLflow runs for surplus."""

PANEL = "panel.png"
"""The fixed prompts and seeds of an evaluation report, base above candidate."""

METRICS_A_CALL = 800
PARAMS_A_CALL = 100
"""MLflow takes 1000 things a call, of which 100 params and 100 tags."""


@dataclass(frozen=True)
class TrackingSummary:
    """What one call of `project` did."""

    tracking_uri: str
    experiment_id: str
    run_id: str
    """MLflow's parent run of the campaign."""
    status: str
    iterations: tuple[int, ...]
    """Iterations that this call projected; those before were there."""
    policies: tuple[int, ...]
    """Evaluations that this call projected."""
    points: int


@dataclass(frozen=True)
class Progress:
    """What was projected before: a shortcut, kept in a tag. Without it everything is logged again, to no effect."""

    iterations: int = 0
    policies: frozenset[int] = field(default_factory=frozenset)

    @classmethod
    def parse(cls, tag: str | None) -> Progress:
        """Read the tag; one that is absent, foreign or of another scheme means a replay."""
        try:
            value = json.loads(tag or "{}")
            if value.get("scheme") != SCHEME:
                return cls()
            return cls(int(value["iterations"]), frozenset(int(policy) for policy in value["policies"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls()

    def dump(self) -> str:
        """The tag's text."""
        return json.dumps({"scheme": SCHEME, "iterations": self.iterations, "policies": sorted(self.policies)})


def project(run: RunLayout | str, *, tracking_uri: str | None = None, afresh: bool = False) -> TrackingSummary:
    """Bring MLflow up to what is committed of a run. Any number of times, at any time: it ends the same.

    `afresh` ignores what was projected before. Raises Unavailable within seconds if MLflow is away, and MissingInput
    if there is no such run.
    """
    state = campaign.load(RunLayout.of("", run) if isinstance(run, str) else run)
    with connect(tracking_uri) as client:
        for tries_left in reversed(range(TRIES)):
            projection = Projection.open(client, state, afresh=afresh)
            try:
                return projection.project()
            except Exception:
                if not (tries_left and any(is_deleted(client, run_id) for run_id in projection.used)):
                    raise
                log.info("another projection of %s made the same MLflow runs: joining its", state.run.uri)
                afresh = True  # an iteration's run may still name a parent that is gone
    raise AssertionError("the last try returns or raises")


@dataclass(frozen=True)
class Projection:
    """One call of `project`, with its parent run found."""

    client: MlflowClient
    state: Campaign
    opened_at: datetime
    experiment: str
    parent: str
    before: Progress
    params: dict[str, str]
    """The config, as far as the parent run lacks it."""
    used: list[str]
    """Ids of the MLflow runs that this call writes to."""

    @classmethod
    def open(cls, client: MlflowClient, state: Campaign, *, afresh: bool) -> Projection:
        """Find or make the parent run."""
        experiment = experiment_of(client)
        opened_at = store.open_committed(state.run.uri).manifest.cost.committed_at
        identity = labels.campaign_identity(state.run.uri)
        parent = the_run(client, experiment, identity, name=state.run.run_id, started_at=opened_at)
        before = Progress() if afresh else Progress.parse(parent.data.tags.get(labels.PROJECTED))
        params = {k: v for k, v in labels.campaign_params(state.config).items() if k not in parent.data.params}
        return cls(client, state, opened_at, experiment, parent.info.run_id, before, params, [parent.info.run_id])

    def project(self) -> TrackingSummary:
        """Points and children first, the tag that says so last."""
        iterations = [read_iteration(self.state.run, k) for k in range(self.before.iterations, len(self.state.trained))]
        reports = [r.policy for r in self.state.reports if r.policy not in self.before.policies]
        evaluations = [read_evaluation(self.state.run, policy) for policy in reports]
        points = self._curves(iterations, evaluations)
        self._log(self.parent, points, self.params)
        for facts in iterations:
            self._iteration(facts)
        for evaluation in evaluations:
            self._evaluation(evaluation)
        decision = campaign.decide(self.state)
        policies = self.before.policies | frozenset(reports)
        tags = labels.campaign_tags(self.state, decision)
        tags[labels.PROJECTED] = Progress(len(self.state.trained), policies).dump()
        self._log(self.parent, tags=tags)
        status = self._status(decision)
        return TrackingSummary(
            tracking_uri=shown(str(self.client.tracking_uri)),
            experiment_id=self.experiment,
            run_id=self.parent,
            status=status,
            iterations=tuple(facts.result.iteration for facts in iterations),
            policies=tuple(reports),
            points=len(points),
        )

    def _curves(self, iterations: list[IterationFacts], evaluations: list[EvaluationFacts]) -> list[Point]:
        """Every new point of the parent's curves."""
        samples = self.state.config.samples_per_iteration
        points = [queries_point(0, samples, self.opened_at)] if not self.before.iterations else []
        for facts in iterations:
            points += [*iteration_points(facts), queries_point(facts.result.iteration + 1, samples, facts.committed_at)]
        for evaluation in evaluations:
            points += evaluation_points(evaluation)
        for table in rescoring.tables(self.state.run).values():  # no tag remembers them: the same point twice is one
            points += rescored_points(table, self.opened_at)
        return points

    def _iteration(self, facts: IterationFacts) -> None:
        """The child run of one iteration, whole and finished."""
        child = self._child(facts)
        self._log(
            child, iteration_points(facts), labels.iteration_params(facts), labels.iteration_tags(facts, self.parent)
        )
        self.client.set_terminated(child, "FINISHED", end_time=labels.milliseconds(facts.committed_at))

    def _evaluation(self, facts: EvaluationFacts) -> None:
        """The panel on the parent; the numbers also on the iteration that made the policy."""
        self._panel(facts)
        if policy := facts.result.policy:
            child = self._child(read_iteration(self.state.run, policy - 1))
            self._log(
                child, evaluation_points(facts), tags={"ddpo.evaluation.content_digest": facts.report.content_digest}
            )

    def _child(self, facts: IterationFacts) -> str:
        k = facts.result.iteration
        identity, name = labels.iteration_identity(self.state.run.uri, k), labels.iteration_name(k)
        child = the_run(self.client, self.experiment, identity, name=name, started_at=facts.started_at)
        self.used.append(child.info.run_id)
        return self.used[-1]

    def _panel(self, facts: EvaluationFacts) -> None:
        """Always at the same path, so a replay overwrites it with itself; `log_image` draws new names."""
        report = store.open_committed(facts.request.out)
        if any(file.path == PANEL for file in report.manifest.files):
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / f"{policy_name(facts.result.policy)}.png"
                path.write_bytes(report.read(PANEL))
                self.client.log_artifact(self.parent, str(path), "panels")

    def _status(self, decision: Decision) -> str:
        """RUNNING, FINISHED, KILLED where a person stopped it, FAILED where the guard did.

        It ended when the last thing was committed. A run that the guard is to stop has FAILED also where its last
        policy was the one; with `hold`, `lower_rate` or `continue` it has FINISHED, and `ddpo.verdict` tells.
        """
        if decision.action == "continue":
            self.client.update_run(self.parent, status="RUNNING")
            return "RUNNING"
        status = "KILLED" if self.state.stopping else "FAILED" if self._guarded() else "FINISHED"
        self.client.set_terminated(self.parent, status, end_time=labels.milliseconds(self._last_commit()))
        return status

    def _guarded(self) -> bool:
        """Whether the guard failed a run that it is to stop."""
        failed = any(verdict.level == "fail" for verdict in self.state.verdicts)
        return failed and self.state.config.guard.on_fail == "stop"

    def _last_commit(self) -> datetime:
        run, state = self.state.run, self.state
        prefixes = [run.training(len(state.trained) - 1)] if state.trained else []
        prefixes += [run.report(state.reports[-1].policy)] if state.reports else []
        manifests: list[Manifest] = [store.open_committed(prefix).manifest for prefix in prefixes]
        return max([self.opened_at, *(m.cost.committed_at for m in manifests)])

    def _log(
        self,
        run_id: str,
        points: Iterable[Point] = (),
        params: dict[str, str] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """In one call, or in a few."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = [Metric(p.key, p.value, p.milliseconds, p.step) for p in points]
        values = [Param(key, value) for key, value in (params or {}).items()]
        labelled = [RunTag(key, value) for key, value in (tags or {}).items()]
        calls = max(
            -(-len(metrics) // METRICS_A_CALL), *(-(-len(some) // PARAMS_A_CALL) for some in (values, labelled))
        )
        for call in range(calls):
            self.client.log_batch(
                run_id,
                metrics=metrics[call * METRICS_A_CALL : (call + 1) * METRICS_A_CALL],
                params=values[call * PARAMS_A_CALL : (call + 1) * PARAMS_A_CALL],
                tags=labelled[call * PARAMS_A_CALL : (call + 1) * PARAMS_A_CALL],
            )
