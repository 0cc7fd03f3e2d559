"""Every sign of over-optimisation and decay, in the order in which a person would ask for them."""

from __future__ import annotations

from components.core.contracts import Signal
from components.evaluation.signals import caps, health, judges, pictures, probes
from components.evaluation.signals.evidence import Evidence


def all_signals(evidence: Evidence) -> tuple[Signal, ...]:
    """Judges, distance, diversity, statistics, text, safety, and the health of the reward."""
    return (
        *judges.judge_losses(evidence),
        caps.kl_to_base(evidence),
        caps.lifetime_queries(evidence),
        *pictures.diversities(evidence),
        *pictures.statistic_shifts(evidence),
        *probes.text_signals(evidence),
        probes.safety(evidence),
        health.reward_missing(evidence),
        health.reward_constant(evidence),
        *health.judges_missing(evidence),
    )
