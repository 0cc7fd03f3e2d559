"""What came out of a comparison: the score of a run, the rate that was best, the table. Pure but for the reading.

**The score.** A run's score is its largest held-out gain over the base, paired over the same prompts and noise, in
standard deviations of the base's pictures, among the evaluated policies of which *every judge keeps at least `keep`
(90 %) of its base score, on seen and on held-out prompts*. The base itself counts with 0. So a run that gains by
destroying its pictures has the score of the best policy before it did so, or 0: it cannot win by that. A judge is a
scorer that was never optimised; one whose base score is not above 0 has no share to keep, and does not vote.

Choosing the best of several evaluations makes every score a little too high, for all algorithms alike: each is
evaluated as often.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from components.core import campaign, store
from components.core.campaign import Campaign
from components.core.comparison import Arm, ComparedRun, Comparison
from components.core.config import Contract
from components.core.contracts import EvaluationResult, Request, Result, canonical_json
from components.core.errors import BadData, MissingInput
from components.core.records import HELD_OUT

SEEN = "seen"


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
    kl_to_base: float
    """Mean path KL to the base, nats."""

    @property
    def kept(self) -> float:
        """What the judge that lost most keeps."""
        return min(self.judges.values())


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


class Base(Contract):
    """What every run of a reward starts from: the row with gain 0."""

    reward: str
    scorer: str
    """Name of the reward that is optimised."""
    mean: float
    """Its mean over the base's held-out pictures, in its own unit."""
    std: float
    """The unit of every gain."""
    judges: dict[str, float]
    """Judge -> its mean over the base's held-out pictures."""


class Row(Contract):
    """One algorithm on one reward, over its seeds."""

    algorithm: str
    reward: str
    learning_rate: float
    seeds: int
    score: float
    """Mean over the seeds."""
    low: float
    high: float
    """The least and the largest of the seeds."""
    seen: float | None
    """Mean gain on seen prompts, of the policies whose held-out gain is the score."""
    kept: float
    """Mean share of its base score that the worst judge keeps, of the same policies."""
    queries: float
    """Mean reward queries that those policies had cost."""
    last_gain: float
    """Mean held-out gain at the end of the budget, whether it counts or not."""
    last_kept: float
    """Mean share that the worst judge keeps there."""
    scores: tuple[float, ...]
    """One a seed, in order of seed."""


class TunedRate(Contract):
    """One learning rate of one algorithm on one reward."""

    run: str
    algorithm: str
    reward: str
    learning_rate: float
    score: float
    kept: float
    """Share that the worst judge keeps, of the policy whose gain is the score."""
    last_gain: float
    last_kept: float
    chosen: bool
    at_edge: bool
    """Chosen, and the smallest or largest that was tried: a better one may lie beyond."""


class TuningRequest(Request):
    """Choose learning rates from these runs."""

    comparison: str
    runs: dict[str, str]
    """Run id -> digest of its evaluations."""


class TuningResult(Result):
    """The choice. No files."""

    rates: tuple[TunedRate, ...]

    @property
    def chosen(self) -> dict[Arm, float]:
        """Arm -> its rate."""
        return {(rate.algorithm, rate.reward): rate.learning_rate for rate in self.rates if rate.chosen}


class TableRequest(Request):
    """Put these runs into a figure and a table."""

    comparison: str
    runs: dict[str, str]
    """Run id -> digest of its evaluations; a run that is not whole yet is not in it."""


class Table(Result):
    """Files: figure.svg, figure.png, table.md, table.json (this), page.html."""

    title: str
    keep: float
    reward_queries: int
    """Budget of each run."""
    bases: tuple[Base, ...]
    rows: tuple[Row, ...]
    """Reward by reward, the best score first."""
    runs: tuple[ScoredRun, ...]
    tuning: tuple[TunedRate, ...]
    unfinished: tuple[str, ...]
    """Ids of runs that are not in it, because they have not spent their budget yet."""

    def of(self, reward: str) -> list[Row]:
        """The rows of one reward, the best score first."""
        return [row for row in self.rows if row.reward == reward]


@dataclass(frozen=True)
class Whole:
    """A run that has spent its budget, and was evaluated at its end."""

    compared: ComparedRun
    state: Campaign

    @property
    def digest(self) -> str:
        """Over everything that its score follows from."""
        last = self.compared.config.iterations
        reports = [report.model_dump(mode="json") for report in self.state.reports if report.policy <= last]
        return hashlib.sha256(canonical_json(reports)).hexdigest()[:16]


def whole(compared: ComparedRun) -> Whole | None:
    """The run, if it is finished; None where it is not begun, not at its end, or not evaluated there."""
    if store.find(compared.run.uri) is None:
        return None
    state = campaign.load(compared.run)
    last = compared.config.iterations
    done = state.next_iteration >= last and any(report.policy == last for report in state.reports)
    return Whole(compared, state) if done else None


def score(finished: Whole, keep: float) -> ScoredRun:
    """A run's evaluations, and the best policy that counts. Raises BadData where nothing says which of them count."""
    compared, state = finished.compared, finished.state
    last = compared.config.iterations
    evaluations = tuple(evaluated(state, report) for report in state.reports if report.policy <= last)
    return ScoredRun(
        run=compared.run.run_id,
        algorithm=compared.algorithm,
        reward=compared.reward,
        seed=compared.seed,
        learning_rate=compared.learning_rate,
        evaluations=evaluations,
        best=best(evaluations, keep),
    )


def best(evaluations: Iterable[Evaluated], keep: float) -> Evaluated:
    """The largest held-out gain among the policies that count, the earlier of equals; the start where none gained."""
    counted = [e for e in evaluations if e.policy == 0 or e.kept >= keep]
    return max(counted, key=lambda e: (e.held_out, -e.policy))


def evaluated(state: Campaign, report: EvaluationResult) -> Evaluated:
    """A report, as far as a comparison reads it."""
    held_out = state.held_out(report)
    if held_out is None:
        raise BadData(f"{state.run.run_id}: policy {report.policy} was evaluated on no held-out prompts")
    seen = report.comparison(state.config.reward.name, SEEN)
    shares = {judge.name: kept(report, judge.name) for judge in state.config.evaluation.judges}
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
        kl_to_base=report.kl_to_base,
    )


def kept(report: EvaluationResult, judge: str) -> float | None:
    """Share of its base score that a judge keeps, on the worse of held-out and seen; None where it has none to keep."""
    found = [c for split in (HELD_OUT, SEEN) if (c := report.comparison(judge, split)) is not None]
    if not found or any(c.reference_mean <= 0 for c in found):
        return None
    return min(c.candidate_mean / c.reference_mean for c in found)


def base_of(finished: Whole) -> Base:
    """What a run started from, by its newest report."""
    report, config = finished.state.reports[-1], finished.state.config
    compared = report.comparison(config.reward.name, HELD_OUT)
    assert compared is not None, "a report without held-out prompts has no score"
    judged = {judge.name: report.comparison(judge.name, HELD_OUT) for judge in config.evaluation.judges}
    return Base(
        reward=finished.compared.reward,
        scorer=config.reward.name,
        mean=compared.reference_mean,
        std=compared.reference_std,
        judges={name: found.reference_mean for name, found in judged.items() if found is not None},
    )


def choose(runs: Iterable[ScoredRun]) -> tuple[TunedRate, ...]:
    """The best learning rate of each arm by its score; of equals, such as where none gained, the smallest."""
    arms: dict[Arm, list[ScoredRun]] = {}
    for run in runs:
        arms.setdefault((run.algorithm, run.reward), []).append(run)
    rates = []
    for tried in arms.values():
        ordered = sorted(tried, key=lambda run: run.learning_rate)
        winner = max(ordered, key=lambda run: (run.score, -run.learning_rate))
        rates += [
            TunedRate(
                run=run.run,
                algorithm=run.algorithm,
                reward=run.reward,
                learning_rate=run.learning_rate,
                score=run.score,
                kept=run.best.kept,
                last_gain=run.last.held_out,
                last_kept=run.last.kept,
                chosen=run is winner,
                at_edge=run is winner and run in (ordered[0], ordered[-1]),
            )
            for run in ordered
        ]
    return tuple(rates)


def rows(runs: Sequence[ScoredRun], rewards: Iterable[str]) -> tuple[Row, ...]:
    """A row an arm, reward by reward, the best mean score first."""
    arms: dict[Arm, list[ScoredRun]] = {}
    for run in runs:
        arms.setdefault((run.algorithm, run.reward), []).append(run)
    made = [_row(arm, sorted(of, key=lambda run: run.seed)) for arm, of in arms.items()]
    order = list(rewards)
    return tuple(sorted(made, key=lambda row: (order.index(row.reward), -row.score)))


def _row(arm: Arm, runs: Sequence[ScoredRun]) -> Row:
    scores = tuple(run.score for run in runs)
    seen = [run.best.seen for run in runs if run.best.seen is not None]
    return Row(
        algorithm=arm[0],
        reward=arm[1],
        learning_rate=runs[0].learning_rate,
        seeds=len(runs),
        score=statistics.fmean(scores),
        low=min(scores),
        high=max(scores),
        seen=statistics.fmean(seen) if seen else None,
        kept=statistics.fmean(run.best.kept for run in runs),
        queries=statistics.fmean(run.best.reward_queries for run in runs),
        last_gain=statistics.fmean(run.last.held_out for run in runs),
        last_kept=statistics.fmean(run.last.kept for run in runs),
        scores=scores,
    )


def against(one: Row, other: Row) -> str:
    """How clearly one row is above another, by their seeds: nothing more can be said of three.

    >>> from types import SimpleNamespace as of
    >>> against(of(scores=(0.5, 0.6)), of(scores=(0.1, 0.4))), against(of(scores=(0.5, 0.2)), of(scores=(0.1, 0.4)))
    ('every seed above', '3 of 4 pairs of seeds above')
    """
    pairs = [(a, b) for a in one.scores for b in other.scores]
    above = sum(a > b for a, b in pairs)
    return "every seed above" if above == len(pairs) else f"{above} of {len(pairs)} pairs of seeds above"


def commit_tuning(comparison: Comparison) -> TuningResult:
    """Choose the learning rates, once. Raises MissingInput, naming the run, while one is not whole."""
    done = [(run, whole(run)) for run in comparison.tuning_runs()]
    if missing := [run.run.run_id for run, found in done if found is None]:
        raise MissingInput(
            f"{len(missing)} tuning runs are not finished, the first is {missing[0]}",
            hint="`ddpo compare` goes on with them",
        )
    finished = [found for _, found in done if found is not None]
    request = TuningRequest(
        out=comparison.tuning, comparison=comparison.uri, runs={f.compared.run.run_id: f.digest for f in finished}
    )
    result = TuningResult(rates=choose(score(f, comparison.config.keep) for f in finished))
    with store.Attempt(comparison.tuning, step="tuning") as attempt:
        return TuningResult.model_validate(attempt.commit(request, result).result)


def tuned(comparison: Comparison) -> TuningResult | None:
    """The learning rates that were chosen; None before that, and where nothing is tuned."""
    found = store.find(comparison.tuning)
    return TuningResult.model_validate(found.manifest.result) if found is not None else None


def rates(comparison: Comparison) -> Mapping[Arm, float] | None:
    """The rate of every arm; None while there are some to be chosen."""
    chosen = tuned(comparison)
    if comparison.config.tunes and chosen is None:
        return None
    return comparison.given_rates() | (chosen.chosen if chosen else {})


def tabulate(comparison: Comparison) -> tuple[TableRequest, Table]:
    """Everything that is finished by now, as a table and the request that asks for it. Raises MissingInput for none."""
    at = rates(comparison)
    runs = comparison.runs(at) if at is not None else []
    found = [(run, whole(run)) for run in runs]
    finished = [done for _, done in found if done is not None]
    if not finished:
        raise MissingInput(f"no run of {comparison.name} is finished yet", hint="`ddpo compare` goes on with them")
    keep, rewards = comparison.config.keep, list(comparison.config.rewards)
    scored = tuple(score(done, keep) for done in finished)
    chosen = tuned(comparison)
    table = Table(
        title=comparison.config.title,
        keep=keep,
        reward_queries=comparison.config.reward_queries,
        bases=tuple(
            base_of(of[0]) for reward in rewards if (of := [f for f in finished if f.compared.reward == reward])
        ),
        rows=rows(scored, rewards),
        runs=scored,
        tuning=chosen.rates if chosen else (),
        unfinished=tuple(run.run.run_id for run, done in found if done is None),
    )
    digests = {done.compared.run.run_id: done.digest for done in finished}
    place = hashlib.sha256(canonical_json(digests)).hexdigest()[:16]
    return TableRequest(out=f"{comparison.results}/{place}", comparison=comparison.uri, runs=digests), table


def newest_table(comparison: Comparison) -> tuple[str, Table] | None:
    """Prefix and content of the newest committed table; None before there is one."""
    prefixes = [f"{comparison.results}/{name}" for name in store.children(comparison.results)]
    commits = [commit for prefix in prefixes if (commit := store.find(prefix)) is not None]
    if not commits:
        return None
    newest = max(commits, key=lambda commit: (commit.manifest.cost.committed_at, commit.prefix))
    return newest.prefix, Table.model_validate(newest.manifest.result)
