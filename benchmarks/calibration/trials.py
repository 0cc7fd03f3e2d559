"""How a table of limits does: on seed sets that it was not made from, healthy runs, collapses and over-long runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.calibration.readings import held_against
from components.core import guard
from components.core.contracts import EvaluationResult, Level, Signal
from components.evaluation.limits import Calibration

PATIENCE = 2
"""The default of `guard.patience`."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of an over-long run."""

    policy: int
    signals: tuple[Signal, ...]
    judge: float
    """Share of the base's judge score that is left, over all pictures."""


@dataclass(frozen=True)
class Stopped:
    """When the guard would have stopped a run that is evaluated every so often."""

    run: str
    every: int
    failed: int | None
    """Policy of the first confirmed fail; None: it never came."""
    judge_there: float | None
    judge_halved: int | None
    """First of these evaluations at which the judge had lost half; None: it never did."""
    last_good: int
    """The last of these evaluations before that."""
    said: tuple[str, ...]
    """Names of the signals that failed there."""
    levels: tuple[tuple[int, str, tuple[str, ...]], ...]
    """(policy, verdict, signals that fail), each evaluation up to the stop."""


@dataclass(frozen=True)
class Trials:
    """All of it."""

    sets: int
    """Seed sets that limits were chosen on; as many others checked them."""
    alarms_making: dict[str, list[tuple[int, str]]]
    """Reward -> (set, signal) that warned or failed, among the sets that limits were chosen on."""
    alarms_checking: dict[str, list[tuple[int, str]]]
    """Among the others."""
    healthy_fails: list[tuple[str, str]]
    """(run, signal) that failed under limits made without that run."""
    healthy_warnings: list[tuple[str, str]]
    """(run, signal) that warned under the table."""
    collapses: dict[str, dict[str, list[str]]]
    """Collapse -> reward -> signals that failed."""
    enlarged: dict[str, list[str]]
    """Collapse of enlarged pictures -> text signals that failed. Empty where the base's own are large enough."""
    by_name: dict[str, tuple[str, ...]]
    """Collapse -> signals under which it is recognised."""
    stopped: list[Stopped]


def alarms(seed_sets: Sequence[tuple[Signal, ...]], table: Calibration, reward: str) -> list[tuple[int, str]]:
    """(set, signal) of everything that warned or failed: none of these pictures ever saw training."""
    return [
        (number, signal.name)
        for number, signals in enumerate(seed_sets)
        for signal in held_against(signals, table, reward)
        if signal.votes and signal.level != "pass"
    ]


def at_level(level: Level, signals: Sequence[Signal], table: Calibration, reward: str) -> list[str]:
    """Names of the signals at a level, with a vote."""
    return [s.name for s in held_against(signals, table, reward) if s.votes and s.level == level]


def stopped(run: str, reward: str, evaluations: Sequence[Evaluation], table: Calibration, every: int) -> Stopped:
    """Replay a run under the guard as if it had been evaluated every so many iterations."""
    due = [e for e in evaluations if e.policy % every == 0]
    reports = [_report(e, held_against(e.signals, table, reward)) for e in due]
    verdicts = guard.verdicts(reports, PATIENCE)
    first = next((n for n, verdict in enumerate(verdicts) if verdict.level == "fail"), None)
    halved = next((e.policy for e in due if e.judge < 0.5), None)
    upto = len(due) if first is None else first + 1
    levels = [
        (e.policy, v.level, tuple(at_level("fail", e.signals, table, reward)))
        for e, v in zip(due, verdicts, strict=True)
    ]
    return Stopped(
        run=run,
        every=every,
        failed=None if first is None else due[first].policy,
        judge_there=None if first is None else due[first].judge,
        judge_halved=halved,
        last_good=max(e.policy for e in due if halved is None or e.policy < halved),
        said=() if first is None else levels[first][2],
        levels=tuple(levels[:upto]),
    )


def _report(evaluation: Evaluation, signals: tuple[Signal, ...]) -> EvaluationResult:
    return EvaluationResult(
        policy=evaluation.policy, policy_id=str(evaluation.policy), base_id="0", start_id="0", comparisons=(),
        kl_to_base=0.0, signals=signals,
    )  # fmt: skip
