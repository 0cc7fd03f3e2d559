"""What is committed of one iteration or one evaluation, manifests and all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from components.core import store
from components.core.contracts import (
    EvaluationRequest,
    EvaluationResult,
    Manifest,
    ScoringResult,
    Shard,
    TrainingRequest,
    TrainingResult,
)
from components.core.layout import RunLayout


@dataclass(frozen=True)
class IterationFacts:
    """A whole iteration: its training is committed."""

    training: Manifest
    request: TrainingRequest
    result: TrainingResult
    steps: dict[str, tuple[Manifest, ...]]
    """Step -> its manifests; one a shard. A prefix that retention took away is not in it."""

    @property
    def started_at(self) -> datetime:
        """Start of the first of its steps."""
        return min(m.cost.started_at for manifests in self.steps.values() for m in manifests)

    @property
    def committed_at(self) -> datetime:
        """When the iteration became true."""
        return self.training.cost.committed_at

    @property
    def missing(self) -> int:
        """Pictures without a reward."""
        return sum(ScoringResult.model_validate(m.result).missing for m in self.steps["scoring"])


@dataclass(frozen=True)
class EvaluationFacts:
    """A committed evaluation report of policy k, and what its pictures cost."""

    report: Manifest
    request: EvaluationRequest
    result: EvaluationResult
    steps: dict[str, tuple[Manifest, ...]]

    @property
    def committed_at(self) -> datetime:
        """When the evaluation became true."""
        return self.report.cost.committed_at


def read_iteration(run: RunLayout, k: int) -> IterationFacts:
    """Read iteration k. Raises MissingInput if its training is not committed."""
    training = store.open_committed(run.training(k)).manifest
    request = TrainingRequest.model_validate(training.request)
    steps = {"prompts": _manifests([run.prompts(k)]), **_shards(request.shards), "training": (training,)}
    return IterationFacts(training, request, TrainingResult.model_validate(training.result), steps)


def read_evaluation(run: RunLayout, k: int) -> EvaluationFacts:
    """Read policy k's evaluation. Raises MissingInput if its report is not committed."""
    report = store.open_committed(run.report(k)).manifest
    request = EvaluationRequest.model_validate(report.request)
    steps = {**_shards((*request.candidate.shards, *request.candidate.deployed)), "evaluation": (report,)}
    return EvaluationFacts(report, request, EvaluationResult.model_validate(report.result), steps)


def _shards(shards: Iterable[Shard]) -> dict[str, tuple[Manifest, ...]]:
    shards = tuple(shards)
    return {"sampling": _manifests(s.sampling for s in shards), "scoring": _manifests(s.scoring for s in shards)}


def _manifests(prefixes: Iterable[str]) -> tuple[Manifest, ...]:
    return tuple(committed.manifest for prefix in prefixes if (committed := store.find(prefix)))
