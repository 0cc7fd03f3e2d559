"""Limits that no second evaluation need confirm: distance from the original base, and queries spent on a chain."""

from __future__ import annotations

from components.core.contracts import Signal
from components.evaluation.signals.evidence import Evidence
from components.evaluation.signals.level import calibrated, level_of, limits_said


def kl_to_base(evidence: Evidence) -> Signal:
    """Path KL to the original base in nats, over all warm starts: the config's cap, else the calibration's."""
    name, value, cap = "kl_to_base", evidence.kl_to_base, evidence.request.guard.kl_cap
    said = f"{value:.1f} nats from the original base"
    if cap is None:
        return calibrated(name, value, "nats", said, side="above", limits=evidence.limits, cap=True)
    return Signal(
        name=name,
        value=value,
        unit="nats",
        fail=cap,
        level=level_of(value, None, cap, "above"),
        cap=True,
        reason=said + limits_said(None, cap, "above"),
    )


def lifetime_queries(evidence: Evidence) -> Signal:
    """Reward queries of the whole chain of warm starts."""
    value, cap = evidence.request.lifetime_queries, evidence.request.guard.lifetime_queries
    said = f"{value} reward queries spent, warm starts included"
    return Signal(
        name="lifetime_queries",
        value=value,
        unit="pictures",
        fail=cap,
        level=level_of(value, None, cap, "above"),
        votes=cap is not None,
        cap=True,
        reason=f"{said} (the cap is {cap})"
        if cap is not None
        else f"{said}; no vote: guard.lifetime_queries sets no cap",
    )
