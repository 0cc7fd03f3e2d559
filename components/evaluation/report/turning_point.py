"""Where a run turns: the reward still rises, and a judge that never voted for it has begun to fall. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.core.contracts import EvaluationResult
from components.core.records import HELD_OUT


@dataclass(frozen=True)
class TurningPoint:
    """The first policy of the decline."""

    policy: int
    judges: tuple[str, ...]
    """Those that lose from here on."""
    confirmed: bool
    """A later evaluation says so too; False where this is the newest."""


def turning_point(reports: Sequence[EvaluationResult], reward: str, judges: Sequence[str]) -> TurningPoint | None:
    """The first evaluated policy t after the start of which both are true, on held-out prompts against the base.

    1. At t, and at every evaluation after it, one and the same judge is significantly below the base: the upper end of
       the interval of its difference is below 0. A loss that a later evaluation takes back was none.
    2. The reward still rises: at t or later its gain is higher than at the evaluation before t. A judge that falls
       with the reward tells of a broken run, not of one that is driven too far.

    None if there is none, or if the reward or every judge was not compared on held-out prompts.
    """
    ordered = sorted(reports, key=lambda report: report.policy)
    gains = [_gain(report, reward) for report in ordered]
    for place in range(1, len(ordered)):
        losing = tuple(j for j in judges if all(_loses(report, j) for report in ordered[place:]))
        before, later = gains[place - 1], [gain for gain in gains[place:] if gain is not None]
        if losing and before is not None and later and max(later) > before:
            return TurningPoint(ordered[place].policy, losing, confirmed=place < len(ordered) - 1)
    return None


def _gain(report: EvaluationResult, reward: str) -> float | None:
    found = report.comparison(reward, HELD_OUT)
    return found.gain.mean if found else None


def _loses(report: EvaluationResult, judge: str) -> bool:
    found = report.comparison(judge, HELD_OUT)
    return found is not None and found.difference.high < 0
