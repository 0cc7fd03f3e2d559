"""What the guard reads off an evaluation before anybody has set limits, and what it says once there are some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.calibration.measuring import Numbers
from components.core.config import EvaluationConfig, GuardConfig
from components.core.contracts import EvaluatedPolicy, EvaluationRequest, Signal
from components.core.records import dump_rows, load_rows
from components.evaluation.comparisons import Compared, compare_all
from components.evaluation.limits import NONE, Calibration, Limit, Limits
from components.evaluation.signals.all import all_signals
from components.evaluation.signals.evidence import Evidence
from components.evaluation.signals.level import Side, level_of

SIDES: dict[str, Side] = {
    "kl_to_base": "above",
    "diversity": "below",
    "statistic": "either",
    "text_area": "above",
    "text_reward": "above",
}
"""Where the danger of a calibrated signal lies, by the part of its name before the colon."""


def side_of(signal: str) -> Side | None:
    """None for a signal whose limits stand in the config."""
    return SIDES.get(signal.partition(":")[0])


def read_signals(candidate: Numbers, base: Numbers, reward: str, evaluation: EvaluationConfig) -> tuple[Signal, ...]:
    """Every signal, with limits that nothing reaches: one without a vote has none whatever the limits."""
    nowhere = EvaluatedPolicy(shards=())
    request = EvaluationRequest(
        out="memory://",
        policy=1,
        candidate=nowhere,
        base=nowhere,
        start=nowhere,
        reward=reward,
        judges=tuple(judge.name for judge in evaluation.judges),
        probes=tuple(probe.name for probe in evaluation.probes),
        evaluation=evaluation,
        guard=GuardConfig(calibration=NONE),
    )
    same_rows = replace(candidate.policy, samples=base.policy.samples)  # a seed set's noise is another, and meant to be
    compared = Compared("trained", same_rows, {"base": base.policy})
    return all_signals(
        Evidence(
            request=request,
            candidate=candidate.policy,
            base=base.policy,
            candidate_statistics_NS=candidate.statistics_NS,
            base_statistics_NS=base.statistics_NS,
            comparisons=compare_all(compared, request),
            kl_to_base=candidate.kl_to_base,
            limits=_Unlimited("none", None, "", reward),
        )
    )


def held_against(signals: Sequence[Signal], table: Calibration, reward: str) -> tuple[Signal, ...]:
    """The same signals at the levels that a table gives them."""
    limits = Limits(table.name, table, "", reward)
    return tuple(_held(signal, limits.of(signal.name)) for signal in signals)


def kept(path: Path, make: Callable[[], tuple[Signal, ...]]) -> tuple[Signal, ...]:
    """Signals from the working directory, or made and put there."""
    if path.exists():
        return tuple(load_rows(path.read_bytes(), Signal, source=str(path)))
    signals = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(dump_rows(signals))
    return signals


class _Unlimited(Limits):
    """Speaks of every signal, and of no limit."""

    def of(self, signal: str) -> Limit | None:
        return Limit(warn=None, fail=None)


def _held(signal: Signal, limit: Limit | None) -> Signal:
    side = side_of(signal.name)
    if side is None or signal.value is None or not signal.votes:
        return signal
    if limit is None:
        return signal.model_copy(update={"votes": False})
    level = level_of(signal.value, limit.warn, limit.fail, side)
    return signal.model_copy(update={"warn": limit.warn, "fail": limit.fail, "level": level})
