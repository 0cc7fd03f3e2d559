"""Evaluations of finished runs, measured again with today's scorers from the pictures that they left in a store."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from benchmarks.calibration.measuring import Numbers, measure
from components.core import campaign, plan, store
from components.core.config import RunConfig
from components.core.contracts import EvaluationRequest, EvaluationResult
from components.core.errors import BadData
from components.core.layout import RunLayout
from components.core.records import SampleRow
from components.evaluation.tables import read_policy


@dataclass(frozen=True)
class StoredRun:
    """One run of a store."""

    layout: RunLayout
    config: RunConfig
    evaluated: tuple[int, ...]
    """Policies with a committed report, in order."""

    @classmethod
    def open(cls, run: RunLayout) -> StoredRun:
        """Raises BadData if its policy 0 is not the base, or has no report."""
        state = campaign.load(run)
        if state.config.start_adapter is not None or not state.reports or state.reports[0].policy != 0:
            raise BadData(f"{run.uri} did not begin at the base with an evaluation: it cannot be calibrated on")
        return cls(run, state.config, tuple(report.policy for report in state.reports))

    @property
    def reward(self) -> str:
        """Name of what it optimised."""
        return self.config.reward.name

    def numbers(self, policy: int) -> Numbers:
        """Measure one evaluation."""
        committed = store.open_committed(self.layout.report(policy))
        policy_id = EvaluationResult.model_validate(committed.manifest.result).policy_id
        return measure(policy_id, *self.drawn(policy), plan.scorers(self.config))

    def drawn(self, policy: int) -> tuple[list[SampleRow], list[Image.Image]]:
        """Rows and pictures of one evaluation."""
        committed = store.open_committed(self.layout.report(policy))
        drawn = read_policy(EvaluationRequest.model_validate(committed.manifest.request).candidate, ())
        return list(drawn.samples.values()), [drawn.picture(key) for key in drawn.samples]
