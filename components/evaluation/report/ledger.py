"""What the run spent, and what it stands on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from components.core.config import RunConfig, flat
from components.core.contracts import Manifest
from components.evaluation.report.evidence import Evidence


@dataclass(frozen=True)
class StepCost:
    """One step over the whole run."""

    step: str
    commits: int
    seconds: float
    median_seconds: float
    megabytes: float
    peak_memory_mb: float
    share: float
    """Of the seconds of all steps."""


@dataclass(frozen=True)
class Setting:
    """One value of the config."""

    key: str
    value: str
    chosen: bool
    """It differs from the default."""


def costs(evidence: Evidence) -> list[StepCost]:
    """Time and bytes a step, in the order in which data flows; steps of evaluations apart."""
    groups: dict[str, list[Manifest]] = {}
    for iteration in evidence.iterations:
        for step, manifests in iteration.steps.items():
            groups.setdefault(step, []).extend(manifests)
    for evaluation in evidence.evaluations:
        for step, manifests in evaluation.steps.items():
            name = step if step == "evaluation" else f"{step} (evaluation)"
            groups.setdefault(name, []).extend(manifests)
    total = sum(m.cost.seconds for manifests in groups.values() for m in manifests)
    return [_cost(step, manifests, total) for step, manifests in groups.items() if manifests]


def wall_clock(evidence: Evidence) -> float | None:
    """Seconds from the opening of the run to its last commit, waiting included; None if nothing follows the opening."""
    ends = [m.cost.committed_at for m in _all(evidence)]
    return (max(ends) - evidence.opened.cost.started_at).total_seconds() if ends else None


def settings(config: RunConfig) -> list[Setting]:
    """Every value with its dotted key."""
    defaults = flat(RunConfig().model_dump(mode="json"))
    values = flat(config.model_dump(mode="json"))
    return [
        Setting(key, _written(value), key not in defaults or value != defaults[key]) for key, value in values.items()
    ]


def software(evidence: Evidence) -> dict[str, str]:
    """Versions that made the newest training, or else the newest evaluation."""
    manifests = [facts.training for facts in evidence.iterations] or [facts.report for facts in evidence.evaluations]
    return dict(sorted((manifests[-1] if manifests else evidence.opened).software.items()))


def _cost(step: str, manifests: list[Manifest], total: float) -> StepCost:
    seconds = [m.cost.seconds for m in manifests]
    return StepCost(
        step=step,
        commits=len(manifests),
        seconds=sum(seconds),
        median_seconds=median(seconds),
        megabytes=sum(m.cost.bytes_written for m in manifests) / 1e6,
        peak_memory_mb=max(m.cost.peak_memory_mb for m in manifests),
        share=sum(seconds) / total if total else 0.0,
    )


def _all(evidence: Evidence) -> Iterable[Manifest]:
    steps = [facts.steps for facts in evidence.iterations] + [facts.steps for facts in evidence.evaluations]
    return (manifest for of_step in steps for manifests in of_step.values() for manifest in manifests)


def _written(value: Any) -> str:
    """As TOML would have it, near enough to read."""
    if value is None:
        return "none"
    return f'"{value}"' if isinstance(value, str) else str(value).replace("True", "true").replace("False", "false")
