"""Everything the report shows, read from committed manifests; nothing else is asked, nothing is computed twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from components.core import campaign, store
from components.core.campaign import Campaign, Decision
from components.core.contracts import Manifest, ScorerComparison
from components.core.errors import MissingInput
from components.core.layout import RunLayout
from components.core.records import HELD_OUT
from components.core.tracking.facts import EvaluationFacts, IterationFacts, read_evaluation, read_iteration
from components.evaluation.tables import ScoredPolicy, read_policy

log = logging.getLogger(__name__)

READERS = 8
"""Manifests read at once: an object store answers in tens of milliseconds, and a run has thousands of them."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class Evidence:
    """A run as its commits tell it, however far it is."""

    campaign: Campaign
    decision: Decision
    opened: Manifest
    iterations: tuple[IterationFacts, ...]
    evaluations: tuple[EvaluationFacts, ...]
    """In order of policy; the first is the baseline, of policy 0."""
    base: ScoredPolicy | None
    """The base's pictures of the evaluation set, if there is an evaluation and the store still has them."""
    candidate: ScoredPolicy | None
    """Those of the newest evaluated policy after the start, if there is one."""

    @property
    def newest(self) -> EvaluationFacts | None:
        """The newest evaluation of a policy that was trained."""
        return self.evaluations[-1] if self.evaluations and self.evaluations[-1].result.policy else None

    @property
    def reward(self) -> str:
        """Name of the optimised reward."""
        return self.campaign.config.reward.name

    @property
    def judges(self) -> list[str]:
        """Names of the scorers that look on."""
        return [judge.name for judge in self.campaign.config.evaluation.judges]

    @property
    def splits(self) -> list[str]:
        """Splits of the evaluation set: seen first, then held-out, then the others in drawing order."""
        if not self.evaluations:
            return []
        splits = dict.fromkeys(c.split for c in self.evaluations[0].result.comparisons)
        return [s for s in ("seen", HELD_OUT) if s in splits] + [s for s in splits if s not in ("seen", HELD_OUT)]

    def compared(self, scorer: str, split: str) -> list[tuple[EvaluationFacts, ScorerComparison]]:
        """One scorer on one split against the base, over all evaluations that have it."""
        found = ((facts, facts.result.comparison(scorer, split)) for facts in self.evaluations)
        return [(facts, comparison) for facts, comparison in found if comparison is not None]

    def queries(self, policy: int) -> int:
        """Reward queries that policy k had cost."""
        return policy * self.campaign.config.samples_per_iteration


def gather(run_uri: str) -> Evidence:
    """Read a run. Raises MissingInput if there is none; whatever is not committed yet is simply not there."""
    run = RunLayout(run_uri.rstrip("/"))
    state = campaign.load(run)
    evaluations = _at_once(lambda k: read_evaluation(run, k), (report.policy for report in state.reports))
    base, candidate = _newest_pictures(evaluations)
    return Evidence(
        campaign=state,
        decision=campaign.decide(state),
        opened=store.open_committed(run.uri).manifest,
        iterations=_at_once(lambda k: read_iteration(run, k), range(len(state.trained))),
        evaluations=evaluations,
        base=base,
        candidate=candidate,
    )


def _newest_pictures(evaluations: tuple[EvaluationFacts, ...]) -> tuple[ScoredPolicy | None, ScoredPolicy | None]:
    """Pictures and scores of base and candidate in the newest evaluation; no candidate if it is the baseline.

    Neither, if they are no longer in the store.
    """
    if not evaluations:
        return None, None
    request = evaluations[-1].request
    scorers = (request.reward, *request.judges)
    try:
        return read_policy(request.base, scorers), read_policy(request.candidate, scorers) if request.policy else None
    except MissingInput as gone:  # retention takes whole prefixes; the numbers stay in the report's own commit
        log.warning("no pictures: %s", gone)
        return None, None


def _at_once(read: Callable[[int], Found], numbers: Iterable[int]) -> tuple[Found, ...]:
    with ThreadPoolExecutor(READERS) as readers:
        return tuple(readers.map(read, numbers))
