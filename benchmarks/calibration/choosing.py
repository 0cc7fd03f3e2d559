"""Limits from what the base does by chance, and from how far healthy runs went.

A limit is a distance from where the base stands: from 0, or from a ratio of 1. Chance alone must not reach it, so it
lies at least NULL_WARN or NULL_FAIL standard deviations out, over the base's seed sets. And training alone must not
fail: a fail lies `margin` times as far out as the farthest healthy evaluation, a warning half as much beyond it. The
margins are set by hand, the smallest round ones with which limits made without a run fail no evaluation of that run:
runs of one reward differ little in KL, and much in how varied their prompts stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.calibration.readings import side_of
from components.core.contracts import Signal
from components.evaluation.limits import Limit
from components.evaluation.signals.level import Side

NULL_WARN, NULL_FAIL = 4.0, 6.0
"""Standard deviations over the base's seed sets. With some ten signals, 4 keeps chance below 1 in 1000 evaluations."""
MARGINS = {
    "kl_to_base": 1.25,
    "statistic": 2.0,
    "diversity:within_prompt": 2.0,
    "diversity:between_prompts": 4.0,
    "text_area": 2.0,
    "text_reward": 2.0,
}
"""By signal, or by the part of its name before the colon."""
LEAST_FAIL = {"text_area": 0.05, "text_reward": 0.5}
"""Where neither chance nor training ever moved a signal, a fail lies here all the same, and a warning at half of it."""
COLLAPSED = 0.1
"""A diversity below this share of the base's fails, however far healthy runs went."""
ENOUGH = 3
"""Healthy runs with a vote on a signal. Where fewer had one, runs whose reward pushes it count too: a wide limit."""


@dataclass(frozen=True)
class Healthy:
    """A healthy run: what it optimised, and the signals of its evaluations."""

    run: str
    reward: str
    evaluations: tuple[tuple[Signal, ...], ...]


def choose(names: Iterable[str], null: Sequence[Sequence[Signal]], healthy: Sequence[Healthy]) -> dict[str, Limit]:
    """Limits of every calibrated signal among `names` that some healthy run or chance says anything about."""
    chosen = {name: _choose(name, side, null, healthy) for name in names if (side := side_of(name)) is not None}
    return {name: limit for name, limit in chosen.items() if limit is not None}


def _choose(name: str, side: Side, null: Sequence[Sequence[Signal]], healthy: Sequence[Healthy]) -> Limit | None:
    chance = [value for signals in null if (value := _value(name, signals, pushed=True)) is not None]
    spread = float(np.std(chance, ddof=1)) if len(chance) > 1 else 0.0
    reached, least = _reached(name, side, healthy), LEAST_FAIL.get(name, 0.0)
    if not reached or not (spread or least or max(reached)):
        return None
    farthest, margin = max(reached), MARGINS.get(name) or MARGINS[name.partition(":")[0]]
    return Limit(
        warn=_limit(side, max(NULL_WARN * spread, farthest * (1 + margin) / 2, least / 2)),
        fail=_limit(side, max(NULL_FAIL * spread, farthest * margin, least)),
        null=_value_at(side, max(_distance(side, value) for value in chance)) if chance else None,
        healthy=_value_at(side, farthest),
    )


def _reached(name: str, side: Side, healthy: Sequence[Healthy]) -> list[float]:
    """How far out each run went: those with a vote, or all where too few have one."""
    voting = [d for run in healthy if (d := _farthest(name, side, run, pushed=False)) is not None]
    if len(voting) >= ENOUGH:
        return voting
    return [d for run in healthy if (d := _farthest(name, side, run, pushed=True)) is not None]


def _farthest(name: str, side: Side, run: Healthy, *, pushed: bool) -> float | None:
    values = [value for signals in run.evaluations if (value := _value(name, signals, pushed=pushed)) is not None]
    return max((_distance(side, value) for value in values), default=None)


def _value(name: str, signals: Sequence[Signal], *, pushed: bool) -> float | None:
    """Value of a signal; where the reward pushes it, and it has no vote, only if that is asked for."""
    return next((s.value for s in signals if s.name == name and (s.votes or pushed)), None)


def _distance(side: Side, value: float) -> float:
    """How far out a value lies on the side of its danger; a ratio stands at 1.

    >>> _distance("either", -2.0), _distance("below", 0.75), _distance("below", 1.5)
    (2.0, 0.25, 0.0)
    """
    return abs(value) if side == "either" else max(0.0, 1 - value if side == "below" else value)


def _value_at(side: Side, distance: float) -> float:
    return 1 - distance if side == "below" else distance


def _limit(side: Side, distance: float) -> float:
    """A limit with three digits; that of a ratio is at least COLLAPSED."""
    value = _value_at(side, float(f"{distance:.3g}"))
    return round(max(value, COLLAPSED), 6) if side == "below" else value
