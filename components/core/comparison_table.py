"""The table of a comparison: a row an algorithm and reward, over the seeds, and the base that all started from."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Sequence

from components.core import comparison_scores as scores
from components.core import comparison_tuning as tuning
from components.core import store
from components.core.comparison import Arm, Comparison, KeepConfig
from components.core.comparison_scores import ScoredRun, Whole
from components.core.comparison_tuning import TunedRate
from components.core.config import Contract
from components.core.contracts import Request, Result, canonical_json
from components.core.errors import MissingInput
from components.core.records import HELD_OUT


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
    diversity: float | None
    """Mean share of the base's diversity within a prompt, of the same policies; None where it was not measured."""
    queries: float
    """Mean reward queries that those policies had cost."""
    last_gain: float
    """Mean held-out gain at the end of the budget, whether it counts or not."""
    last_kept: float
    """Mean share that the worst judge keeps there."""
    last_diversity: float | None
    last_kl: float
    """Mean path KL to the base there, nats: how far the policies drifted."""
    scores: tuple[float, ...]
    """One a seed, in order of seed."""


class TableRequest(Request):
    """Put these runs into a figure and a table."""

    comparison: str
    runs: dict[str, str]
    """Run id -> digest of its evaluations; a run that is not whole yet is not in it."""


class Table(Result):
    """Files: figure.svg, figure.png, table.md, table.json (this), page.html."""

    title: str
    keep: KeepConfig
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


def rows(runs: Sequence[ScoredRun], rewards: Iterable[str]) -> tuple[Row, ...]:
    """A row an arm, reward by reward, the best mean score first."""
    arms: dict[Arm, list[ScoredRun]] = {}
    for run in runs:
        arms.setdefault((run.algorithm, run.reward), []).append(run)
    made = [_row(arm, sorted(of, key=lambda run: run.seed)) for arm, of in arms.items()]
    order = list(rewards)
    return tuple(sorted(made, key=lambda row: (order.index(row.reward), -row.score)))


def _row(arm: Arm, runs: Sequence[ScoredRun]) -> Row:
    gains = tuple(run.score for run in runs)
    return Row(
        algorithm=arm[0],
        reward=arm[1],
        learning_rate=runs[0].learning_rate,
        seeds=len(runs),
        score=statistics.fmean(gains),
        low=min(gains),
        high=max(gains),
        seen=_mean(run.best.seen for run in runs),
        kept=statistics.fmean(run.best.kept for run in runs),
        diversity=_mean(run.best.diversity for run in runs),
        queries=statistics.fmean(run.best.reward_queries for run in runs),
        last_gain=statistics.fmean(run.last.held_out for run in runs),
        last_kept=statistics.fmean(run.last.kept for run in runs),
        last_diversity=_mean(run.last.diversity for run in runs),
        last_kl=statistics.fmean(run.last.kl_to_base for run in runs),
        scores=gains,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def against(one: Row, other: Row) -> str:
    """How clearly one row is above another, by their seeds: nothing more can be said of three, and nothing of one.

    >>> from types import SimpleNamespace as of
    >>> against(of(scores=(0.5, 0.6)), of(scores=(0.1, 0.4))), against(of(scores=(0.5, 0.2)), of(scores=(0.1, 0.4)))
    ('every seed above', '3 of 4 pairs of seeds above')
    >>> against(of(scores=(0.5,)), of(scores=(0.1, 0.4)))
    '1 seed against 2, which is no order'
    """
    if min(len(one.scores), len(other.scores)) < 2:
        return f"{len(one.scores)} seed against {len(other.scores)}, which is no order"
    pairs = [(a, b) for a in one.scores for b in other.scores]
    above = sum(a > b for a, b in pairs)
    return "every seed above" if above == len(pairs) else f"{above} of {len(pairs)} pairs of seeds above"


def tabulate(comparison: Comparison) -> tuple[TableRequest, Table]:
    """Everything that is finished by now, as a table and the request that asks for it. Raises MissingInput for none."""
    at = tuning.rates(comparison)
    runs = comparison.runs(at) if at is not None else []
    found = [(run, scores.whole(run)) for run in runs]
    finished = [done for _, done in found if done is not None]
    if not finished:
        raise MissingInput(f"no run of {comparison.name} is finished yet", hint="`ddpo compare` goes on with them")
    keep, rewards = comparison.config.keep, list(comparison.config.rewards)
    scored = tuple(scores.score(done, keep) for done in finished)
    chosen = tuning.tuned(comparison)
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
