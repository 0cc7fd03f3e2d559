"""The learning rates of a comparison: each is tried, and the one whose worst run is best is committed, once."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from components.core import comparison_scores as scores
from components.core import store
from components.core.comparison import Arm, Comparison
from components.core.comparison_scores import ScoredRun
from components.core.config import Contract
from components.core.contracts import Request, Result
from components.core.errors import MissingInput


class TunedRate(Contract):
    """One learning rate of one algorithm on one reward."""

    algorithm: str
    reward: str
    learning_rate: float
    runs: tuple[str, ...]
    scores: tuple[float, ...]
    """Of its runs, one a seed."""
    last_gain: float
    """Mean held-out gain at the end of the budget, whether it counts or not."""
    last_kept: float
    """What the worst judge keeps there, in the worse run."""
    last_diversity: float | None
    """Least share of the base's diversity within a prompt there."""
    chosen: bool
    at_edge: bool
    """Chosen, and the smallest or largest that was tried: a better one may lie beyond."""

    @property
    def score(self) -> float:
        """Its worst run's."""
        return min(self.scores)


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


def choose(runs: Iterable[ScoredRun]) -> tuple[TunedRate, ...]:
    """The rate of each arm whose worst run is best; of equals, such as where none gained, the smallest."""
    arms: dict[Arm, dict[float, list[ScoredRun]]] = {}
    for run in runs:
        arms.setdefault((run.algorithm, run.reward), {}).setdefault(run.learning_rate, []).append(run)
    found: list[TunedRate] = []
    for tried in arms.values():
        rates = sorted(tried)
        winner = max(rates, key=lambda rate: (min(run.score for run in tried[rate]), -rate))
        found += [
            _tuned(tried[rate], chosen=rate == winner, at_edge=rate == winner and rate in (rates[0], rates[-1]))
            for rate in rates
        ]
    return tuple(found)


def _tuned(runs: Sequence[ScoredRun], *, chosen: bool, at_edge: bool) -> TunedRate:
    diversities = [run.last.diversity for run in runs if run.last.diversity is not None]
    return TunedRate(
        algorithm=runs[0].algorithm,
        reward=runs[0].reward,
        learning_rate=runs[0].learning_rate,
        runs=tuple(run.run for run in runs),
        scores=tuple(run.score for run in runs),
        last_gain=statistics.fmean(run.last.held_out for run in runs),
        last_kept=min(run.last.kept for run in runs),
        last_diversity=min(diversities) if diversities else None,
        chosen=chosen,
        at_edge=at_edge,
    )


def commit_tuning(comparison: Comparison) -> TuningResult:
    """Choose the learning rates, once. Raises MissingInput, naming the run, while one is not whole."""
    done = [(run, scores.whole(run)) for run in comparison.tuning_runs()]
    if missing := [run.run.run_id for run, found in done if found is None]:
        raise MissingInput(
            f"{len(missing)} tuning runs are not finished, the first is {missing[0]}",
            hint="`ddpo compare` goes on with them",
        )
    finished = [found for _, found in done if found is not None]
    request = TuningRequest(
        out=comparison.tuning, comparison=comparison.uri, runs={f.compared.run.run_id: f.digest for f in finished}
    )
    result = TuningResult(rates=choose(scores.score(f, comparison.config.keep) for f in finished))
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
