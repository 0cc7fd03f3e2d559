"""What a run of a comparison came to. Pure but for the reading of its campaign.

**The score.** A run's score is its largest held-out gain over the base, paired over the same prompts and noise, in
standard deviations of the base's pictures, among the evaluated policies that *keep what the base could*: every judge at
least 90 % of its base score, on seen and on held-out prompts, and the pictures of a prompt at least half of the base's
diversity in a judge's eyes (`KeepConfig`). The base itself counts with 0. So a run that gains by destroying its
pictures, or by drawing one again and again, has the score of the best policy before it did so, or 0: it cannot win by
that. A judge is a scorer that was never optimised; one whose base score is not above 0 has no share to keep and does
not vote, and one that gives no answer to more than 5 % of the pictures keeps nothing.

Choosing the best of several evaluations makes every score a little too high, for all algorithms alike: each is
evaluated as often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from components.core import campaign, store
from components.core.campaign import Campaign
from components.core.comparison import ComparedRun, KeepConfig
from components.core.config import Contract
from components.core.contracts import EvaluationResult, canonical_json
from components.core.errors import BadData
from components.core.records import HELD_OUT, too_many_missing

SEEN = "seen"
DIVERSITY = "diversity:within_prompt"
"""The guard's signal of it."""


class Evaluated(Contract):
    """One evaluation of one run, against the base."""

    policy: int
    reward_queries: int
    """Pictures scored for training that this policy had cost: the x axis."""
    held_out: float
    """Paired gain on held-out prompts, in standard deviations of the base's pictures."""
    seen: float | None
    """The same on seen prompts; None where the evaluation set has none."""
    judges: dict[str, float]
    """Judge -> share of its base score that it keeps, on the worse of held-out and seen prompts."""
    diversity: float | None
    """Share of the base's diversity within a prompt; None, and not asked for, where there is one picture of each or no
    judge gives embeddings."""
    kl_to_base: float
    """Mean path KL to the base, nats."""

    @property
    def kept(self) -> float:
        """What the judge that lost most keeps."""
        return min(self.judges.values())

    def counts(self, keep: KeepConfig) -> bool:
        """Whether it keeps enough of the base for its gain to count. The base does."""
        diverse = self.diversity is None or self.diversity >= keep.diversity
        return self.policy == 0 or (self.kept >= keep.judges and diverse)


class ScoredRun(Contract):
    """One run, with all its evaluations."""

    run: str
    """Its id."""
    algorithm: str
    reward: str
    seed: int
    learning_rate: float
    evaluations: tuple[Evaluated, ...]
    """In order of policy; the first is the start."""
    best: Evaluated
    """The policy whose gain is the score."""

    @property
    def score(self) -> float:
        """Held-out gain of the best policy that counts."""
        return self.best.held_out

    @property
    def last(self) -> Evaluated:
        """The policy at the end of the budget, whether it counts or not."""
        return self.evaluations[-1]


@dataclass(frozen=True)
class Whole:
    """A run that has spent its budget, and was evaluated at its end."""

    compared: ComparedRun
    state: Campaign

    @property
    def digest(self) -> str:
        """Over everything that its score follows from."""
        reports = [report.model_dump(mode="json") for report in self.reports]
        return hashlib.sha256(canonical_json(reports)).hexdigest()[:16]

    @property
    def reports(self) -> list[EvaluationResult]:
        """The evaluations that every run has: one that was stopped and resumed may have more, and no more chances."""
        last, every = self.compared.config.iterations, self.compared.config.evaluation.every
        return [report for report in self.state.reports if report.policy <= last and report.policy % every == 0]


def whole(compared: ComparedRun) -> Whole | None:
    """The run, if it is finished; None where it is not begun, not at its end, or an evaluation is missing."""
    if store.find(compared.run.uri) is None:
        return None
    state = campaign.load(compared.run)
    last, every = compared.config.iterations, compared.config.evaluation.every
    missing = set(range(0, last + 1, every)) - {report.policy for report in state.reports}
    return Whole(compared, state) if state.next_iteration >= last and not missing else None


def score(finished: Whole, keep: KeepConfig) -> ScoredRun:
    """A run's evaluations, and the best policy that counts. Raises BadData where nothing says which of them count."""
    compared, state = finished.compared, finished.state
    evaluations = tuple(evaluated(state, report, keep) for report in finished.reports)
    return ScoredRun(
        run=compared.run.run_id,
        algorithm=compared.algorithm,
        reward=compared.reward,
        seed=compared.seed,
        learning_rate=compared.learning_rate,
        evaluations=evaluations,
        best=best(evaluations, keep),
    )


def best(evaluations: Iterable[Evaluated], keep: KeepConfig) -> Evaluated:
    """The largest held-out gain among the policies that count, the earlier of equals; the start where none gained."""
    counted = [e for e in evaluations if e.counts(keep)]
    return max(counted, key=lambda e: (e.held_out, -e.policy))


def evaluated(state: Campaign, report: EvaluationResult, keep: KeepConfig) -> Evaluated:
    """A report, as far as a comparison reads it."""
    held_out = state.held_out(report)
    if held_out is None:
        raise BadData(f"{state.run.run_id}: policy {report.policy} was evaluated on no held-out prompts")
    seen = report.comparison(state.config.reward.name, SEEN)
    shares = {judge.name: kept(report, judge.name, keep) for judge in state.config.evaluation.judges}
    judges = {name: share for name, share in shares.items() if share is not None}
    if not judges:
        raise BadData(
            f"{state.run.run_id}: no judge's base score is above 0, so nothing says what became of the pictures",
            hint="choose evaluation.judges whose scores have a zero",
        )
    return Evaluated(
        policy=report.policy,
        reward_queries=report.policy * state.config.samples_per_iteration,
        held_out=held_out.gain.mean,
        seen=seen.gain.mean if seen else None,
        judges=judges,
        diversity=next((signal.value for signal in report.signals if signal.name == DIVERSITY), None),
        kl_to_base=report.kl_to_base,
    )


def kept(report: EvaluationResult, judge: str, keep: KeepConfig) -> float | None:
    """Share of its base score that a judge keeps, on the worse of held-out and seen; None where it has none to keep.

    0 where it is silent too often: it might be so of the ruined pictures. A judge whose zero means nothing keeps
    `keep.judges` where it fell by all that it may, and proportionally more where it fell by less.
    """
    found = [c for split in (HELD_OUT, SEEN) if (c := report.comparison(judge, split)) is not None]
    if any(too_many_missing(c.missing, c.pairs + c.missing) for c in found):
        return 0.0
    if (allowed := keep.loss_sd.get(judge)) is not None and found:
        return 1 - (1 - keep.judges) * max(-c.gain.mean for c in found) / allowed
    if not found or any(c.reference_mean <= 0 for c in found):
        return None
    return min(c.candidate_mean / c.reference_mean for c in found)
