"""The names of the curves, and their points: pure functions of what is committed.

Step k of a curve is policy k: `reward/mean` there is the reward of the pictures that iteration k drew from policy k,
`evaluation/held_out/gain` is the evaluation of policy k, and `reward/queries` is what policy k had cost, so it serves
as the x axis of every other curve. MLflow makes a section of charts of what stands before the last slash, and sorts
sections by name: the names are chosen so that what decides comes first.

    evaluation/<split>/    gain, mean, difference, <judge>_mean, gain_vs_champion, gain_deployed (eta 0), ...
    guard/                 level (0 pass, 1 warn, 2 fail), and each signal, such as judge_loss.<judge>
    kl/                    to_base, to_base_evaluated                    nats along the path
    rescored/<scorer>/     <split>_mean, <split>_rank_correlation        pictures that were scored again, `ddpo rescore`
    reward/                mean, std, queries                            of an iteration's own pictures
    samples/               trained, dropped, missing
    update/                ratio_max_deviation, clip_fraction, ...       health of the update
    uncertainty/           <split>_gain_low, <split>_gain_high, ...      ends of the evaluation's intervals
    usage/megabytes/       sampling, ...                                 written to the store
    usage/seconds/         sampling, ..., iteration                      shards summed; `iteration` by the wall clock

A point's time is its manifest's commit time, so a point that is logged twice is one point.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from components.core import guard
from components.core.contracts import EvaluationResult, Manifest, ScorerComparison
from components.core.rescoring import RescoredResult
from components.core.tracking.facts import EvaluationFacts, IterationFacts

LEVELS = ("pass", "warn", "fail")
"""As the curve `guard/level` counts them."""


@dataclass(frozen=True)
class Point:
    """One value of one curve."""

    key: str
    value: float
    step: int
    at: datetime

    @property
    def milliseconds(self) -> int:
        """The point's time as MLflow counts it."""
        return int(self.at.timestamp() * 1000)


def iteration_points(facts: IterationFacts) -> list[Point]:
    """Points of iteration k: reward and diagnostics, samples, and what its steps took."""
    result = facts.result
    values = {training_key(name): value for name, value in result.metrics.items()}
    values |= {
        "samples/trained": result.samples,
        "samples/dropped": result.dropped,
        "samples/missing": facts.missing,
        "usage/seconds/iteration": (facts.committed_at - facts.started_at).total_seconds(),
    }
    values |= _costs(facts.steps)
    return _points(values, result.iteration, facts.committed_at)


def evaluation_points(facts: EvaluationFacts) -> list[Point]:
    """Points of policy k's evaluation: every scorer on every split, and what it took."""
    values = {"kl/to_base_evaluated": facts.result.kl_to_base}
    for comparison in facts.result.comparisons:
        values |= _comparison(comparison, facts.request.reward)
    values |= _guard(facts.result)
    values |= _costs({_evaluation_step(step): manifests for step, manifests in facts.steps.items()})
    return _points(values, facts.result.policy, facts.committed_at)


def queries_point(policy: int, samples_per_iteration: int, at: datetime) -> Point:
    """Pictures scored for training until policy k was there."""
    return Point("reward/queries", float(policy * samples_per_iteration), policy, at)


def rescored_points(table: RescoredResult, at: datetime) -> list[Point]:
    """Points of every policy that another scorer has seen. `at` is the run's opening: a later table repeats them.

    Two ids are two scorers, and never one curve: where there are several, each has its own under its id.
    """
    points = []
    for row in table.rows:
        scorer = _clean(table.scorer + (f"-{row.scorer_id.rpartition('@')[2]}" if len(table.scorer_ids) > 1 else ""))
        split = _clean(row.split) + ("" if row.sampler == "trained" else f"_{row.sampler}")
        values = {"mean": row.mean, "rank_correlation": row.rank_correlation}
        keys = {f"rescored/{scorer}/{split}_{name}": x for name, x in values.items() if x is not None}
        points += _points(keys, row.policy, at) if row.policy is not None else []
    return points


def training_key(name: str) -> str:
    """Curve of a training metric.

    >>> training_key("reward_mean"), training_key("clip_fraction"), training_key("kl_to_base")
    ('reward/mean', 'update/clip_fraction', 'kl/to_base')
    """
    for section in ("reward", "kl"):
        if name.startswith(f"{section}_"):
            return f"{section}/{_clean(name.removeprefix(f'{section}_'))}"
    return f"update/{_clean(name)}"


def _comparison(comparison: ScorerComparison, reward: str) -> dict[str, float]:
    """The reward's curves have plain names; a judge's carry its own.

    Against another reference than the base they end in `_vs_start` or `_vs_champion`; those of the sampler that ships
    in `_deployed`, last of all.
    """
    scorer = "" if comparison.scorer == reward else f"{_clean(comparison.scorer)}_"
    against = "" if comparison.reference == "base" else f"_vs_{comparison.reference}"
    split = _clean(comparison.split)
    drawn = "" if comparison.sampler == "trained" else f"_{comparison.sampler}"
    values = {} if against else {f"evaluation/{split}/{scorer}mean{drawn}": comparison.candidate_mean}
    for name, interval in (("gain", comparison.gain), ("difference", comparison.difference)):
        values[f"evaluation/{split}/{scorer}{name}{against}{drawn}"] = interval.mean
        values[f"uncertainty/{split}_{scorer}{name}{against}{drawn}_low"] = interval.low
        values[f"uncertainty/{split}_{scorer}{name}{against}{drawn}_high"] = interval.high
    return values


def _guard(result: EvaluationResult) -> dict[str, float]:
    """The level of this evaluation alone, and every signal that has a value here. No signals, no guard, no curves."""
    if not result.signals:
        return {}
    values = {f"guard/{_clean(s.name.replace(':', '.'))}": s.value for s in result.signals if s.value is not None}
    level = guard.raw_level(result)
    return values | ({"guard/level": float(LEVELS.index(level))} if level else {})


def _costs(steps: dict[str, tuple[Manifest, ...]]) -> dict[str, float]:
    values: dict[str, float] = {}
    for step, manifests in steps.items():
        if manifests:
            values[f"usage/seconds/{step}"] = sum(m.cost.seconds for m in manifests)
            values[f"usage/megabytes/{step}"] = sum(m.cost.bytes_written for m in manifests) / 1e6
    return values


def _evaluation_step(step: str) -> str:
    """An evaluation samples and scores too: `evaluation_sampling`, `evaluation_scoring`, `evaluation`."""
    return step if step == "evaluation" else f"evaluation_{step}"


def _points(values: dict[str, float], step: int, at: datetime) -> list[Point]:
    return [Point(key, float(value), step, at) for key, value in values.items()]


def _clean(name: str) -> str:
    """What MLflow takes in a name."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)
