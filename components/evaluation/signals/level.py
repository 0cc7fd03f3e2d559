"""From a value and its limits to a signal: which level, and in words which limits it was held against."""

from __future__ import annotations

from typing import Literal

from components.core.contracts import Level, Signal
from components.evaluation.limits import Limits

Side = Literal["above", "below", "either"]
"""Where the danger lies: above a limit, below it, or further from 0 than it, on either side."""


def level_of(value: float, warn: float | None, fail: float | None, side: Side) -> Level:
    """How far a value went.

    >>> level_of(-3.0, 1.0, 2.0, "either"), level_of(0.9, 0.8, 0.5, "below"), level_of(0.7, 0.8, 0.5, "below")
    ('fail', 'pass', 'warn')
    """
    if _beyond(value, fail, side):
        return "fail"
    return "warn" if _beyond(value, warn, side) else "pass"


def calibrated(
    name: str, value: float, unit: str, said: str, *, side: Side, limits: Limits, cap: bool = False, silenced: str = ""
) -> Signal:
    """A signal held against its calibrated limits. `silenced` says why it has no vote, if it has none."""
    limit = limits.of(name)
    warn, fail = (limit.warn, limit.fail) if limit else (None, None)
    because = silenced or ("" if limit else limits.why_silent(name))
    return Signal(
        name=name,
        value=value,
        unit=unit,
        warn=warn,
        fail=fail,
        level=level_of(value, warn, fail, side),
        votes=not because,
        cap=cap,
        reason=f"{said}{limits_said(warn, fail, side)}" + (f"; no vote: {because}" if because else ""),
    )


def unavailable(name: str, unit: str, why: str) -> Signal:
    """A signal that says nothing here: absent is unknown, neither fine nor wrong."""
    return Signal(
        name=name, value=None, unit=unit, votes=False, reason=f"{name.replace('_', ' ').replace(':', ' ')}: {why}"
    )


def limits_said(warn: float | None, fail: float | None, side: Side) -> str:
    """The limits in brackets; nothing where there is none.

    >>> limits_said(0.5, 1.0, "either"), limits_said(None, 200.0, "above"), limits_said(None, None, "below")
    (' (warns beyond ±0.5, fails beyond ±1)', ' (fails above 200)', '')
    """
    word = {"above": "above ", "below": "below ", "either": "beyond ±"}[side]
    parts = [f"{verb} {word}{limit:.4g}" for verb, limit in (("warns", warn), ("fails", fail)) if limit is not None]
    return f" ({', '.join(parts)})" if parts else ""


def _beyond(value: float, limit: float | None, side: Side) -> bool:
    if limit is None:
        return False
    return {"above": value > limit, "below": value < limit, "either": abs(value) > limit}[side]
