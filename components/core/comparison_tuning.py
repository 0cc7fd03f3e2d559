"""The learning rates of a comparison: each is tried once, and the best by its score is chosen and committed, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from components.core import comparison_scores as scores
from components.core import store
from components.core.comparison import Arm, Comparison
from components.core.comparison_scores import ScoredRun
from components.core.config import Contract
from components.core.contracts import Request, Result
from components.core.errors import MissingInput


class TunedRate(Contract):
    """One learning rate of one algorithm on one reward."""

    run: str
    algorithm: str
    reward: str
    learning_rate: float
    score: float
    kept: float
    """Share that the worst judge keeps, of the policy whose gain is the score."""
    diversity: float | None
    """Share of the base's diversity within a prompt that the same policy keeps."""
    last_gain: float
    last_kept: float
    last_diversity: float | None
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
                diversity=run.best.diversity,
                last_gain=run.last.held_out,
                last_kept=run.last.kept,
                last_diversity=run.last.diversity,
                chosen=run is winner,
                at_edge=run is winner and run in (ordered[0], ordered[-1]),
            )
            for run in ordered
        ]
    return tuple(rates)


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
