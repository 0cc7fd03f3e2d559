"""Everything the report shows, read from committed manifests; nothing else is asked, nothing is computed twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from components.core import campaign, store
from components.core.campaign import Campaign, Decision
from components.core.contracts import EvaluatedPolicy, EvaluationRequest, Manifest, ScorerComparison
from components.core.errors import BadData, MissingInput
from components.core.guard import Verdict
from components.core.layout import RunLayout
from components.core.records import HELD_OUT
from components.core.tracking.facts import EvaluationFacts, IterationFacts, read_evaluation, read_iteration
from components.evaluation.report.turning_point import TurningPoint, turning_point
from components.evaluation.tables import ScoredPolicy, read_policy

log = logging.getLogger(__name__)

READERS = 8
"""Manifests read at once: an object store answers in tens of milliseconds, and a run has thousands of them."""
SHOWN = 8
"""Evaluated policies whose pictures are shown, of however many there are."""

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
    drawn: Mapping[int, ScoredPolicy] = field(default_factory=dict)
    """Policy -> its pictures: some of the evaluated policies, the start and the newest among them."""
    champion: ScoredPolicy | None = None
    """The champion's pictures, where the newest evaluation compared one."""
    shipped_base: ScoredPolicy | None = None
    """The base's pictures by the sampler that ships, if drawn and still there."""
    shipped: ScoredPolicy | None = None
    """Those of the newest evaluated policy."""

    @property
    def newest(self) -> EvaluationFacts | None:
        """The newest evaluation of a policy that was trained."""
        return self.evaluations[-1] if self.evaluations and self.evaluations[-1].result.policy else None

    @property
    def candidate(self) -> ScoredPolicy | None:
        """Pictures of the newest evaluated policy after the start, if there is one and they are still there."""
        return self.drawn.get(self.newest.result.policy) if self.newest else None

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

    @property
    def guarded(self) -> bool:
        """Whether any evaluation carries the guard's signals: without them, nothing passed."""
        return any(facts.result.signals for facts in self.evaluations)

    @property
    def verdicts(self) -> dict[int, Verdict]:
        """Policy -> the guard's verdict; empty for a run that no guard watched."""
        return {verdict.policy: verdict for verdict in self.campaign.verdicts} if self.guarded else {}

    @property
    def failed(self) -> Verdict | None:
        """The first verdict that fails."""
        return next((verdict for verdict in self.verdicts.values() if verdict.level == "fail"), None)

    @property
    def best(self) -> int | None:
        """The best policy that no signal fails; 0 where every trained one fails. None: none was guarded."""
        return campaign.best_policy(self.campaign) if self.guarded and self.newest else None

    @property
    def best_is_earlier(self) -> bool:
        """Whether the best policy is a trained one, and not the newest."""
        return bool(self.best) and self.newest is not None and self.best != self.newest.result.policy

    @property
    def turning_point(self) -> TurningPoint | None:
        """Where the judges begin to pay for the reward."""
        return turning_point([facts.result for facts in self.evaluations], self.reward, self.judges)

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
    numbers = _at_once(lambda k: read_evaluation(run, k), (report.policy for report in state.reports))
    bare = Evidence(
        campaign=state,
        decision=campaign.decide(state),
        opened=store.open_committed(run.uri).manifest,
        iterations=_at_once(lambda k: read_iteration(run, k), range(len(state.trained))),
        evaluations=numbers,
        base=None,
    )
    return _with_pictures(bare) if numbers else bare


def _with_pictures(bare: Evidence) -> Evidence:
    """The tables of every policy that is shown. Pictures themselves are read one by one, as they are shown."""
    requests = {facts.result.policy: facts.request for facts in bare.evaluations}
    newest = requests[max(requests)]
    failed, turn = bare.failed, bare.turning_point
    marked = (bare.best, failed.policy if failed else None, turn.policy if turn else None)
    drawn = {k: _read(requests[k].candidate, requests[k]) for k in chosen(list(requests), marked)}
    return Evidence(
        **{name: getattr(bare, name) for name in ("campaign", "decision", "opened", "iterations", "evaluations")},
        base=_read(newest.base, newest),
        drawn={k: policy for k, policy in drawn.items() if policy is not None},
        champion=_read(newest.champion, newest) if newest.champion else None,
        shipped_base=_read(newest.base, newest, deployed=True),
        shipped=_read(newest.candidate, newest, deployed=True) if newest.policy else None,
    )


def chosen(evaluated: list[int], marked: Iterable[int | None], count: int = SHOWN) -> list[int]:
    """The first, the newest and the marked policies, and others evenly spread between, `count` in all.

    >>> chosen([0, 2, 4, 6, 8, 10], {6, None}, count=4)
    [0, 2, 6, 10]
    """
    kept = {evaluated[0], evaluated[-1]} | {k for k in marked if k in evaluated}
    while len(kept) < min(count, len(evaluated)):
        # the one furthest from every kept one: what it shows is shown least by the others
        kept.add(max((k for k in evaluated if k not in kept), key=lambda k: (min(abs(k - j) for j in kept), -k)))
    return sorted(kept)


def _read(evaluated: EvaluatedPolicy, request: EvaluationRequest, *, deployed: bool = False) -> ScoredPolicy | None:
    """Rows of one policy's pictures; None if none were drawn, or the store has them no longer."""
    if not (evaluated.deployed if deployed else evaluated.shards):
        return None
    scorers = (request.reward, *request.judges, *request.probes)
    try:
        return read_policy(evaluated, scorers, deployed=deployed)
    except (MissingInput, BadData) as gone:  # retention takes them; the numbers stay in the report's own commit
        log.warning("no pictures: %s", gone)
        return None


def _at_once(read: Callable[[int], Found], numbers: Iterable[int]) -> tuple[Found, ...]:
    with ThreadPoolExecutor(READERS) as readers:
        return tuple(readers.map(read, numbers))
