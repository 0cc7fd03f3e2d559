"""The reward against judges that nobody optimises: what a judge lost on held-out prompts.

Held-out and not all splits pooled: what holds beyond training's prompts is what ships, and the share lost there runs
ahead of the pooled one when a policy decays. The interval must exclude 0, so that few prompts raise no alarm.
"""

from __future__ import annotations

from components.core.contracts import Level, ScorerComparison, Signal
from components.evaluation.signals.evidence import Evidence
from components.evaluation.signals.level import limits_said, unavailable

UNIT = "share of the base's score"


def judge_losses(evidence: Evidence) -> list[Signal]:
    """`judge_loss:<judge>` for each judge."""
    return [_judge_loss(judge, evidence) for judge in evidence.request.judges]


def _judge_loss(judge: str, evidence: Evidence) -> Signal:
    name, found = f"judge_loss:{judge}", evidence.compared(judge)
    if found is None:
        return unavailable(name, UNIT, f"it gave nothing on {evidence.deciding_split} prompts")
    if found.reference_mean <= 0:
        return unavailable(name, UNIT, f"the base's score is {found.reference_mean:.3g}, of which nothing can be lost")
    guard = evidence.request.guard
    loss, least, most = (-value / found.reference_mean for value in _ends(found))
    significant = least > 0
    level: Level = "pass"
    if significant and loss >= guard.judge_warn:
        level = "fail" if loss >= guard.judge_fail else "warn"
    said = (
        f"{judge} lost {loss:.0%} [{least:.0%}, {most:.0%}] of the base's {found.reference_mean:.3g} on "
        f"{found.prompts} {evidence.deciding_split.replace('_', '-')} prompts"
        if loss > 0
        else f"{judge} lost nothing of the base's {found.reference_mean:.3g} ({-loss:+.0%})"
    )
    return Signal(
        name=name,
        value=loss + 0.0,
        unit=UNIT,
        warn=guard.judge_warn,
        fail=guard.judge_fail,
        level=level,
        reason=f"{said}{_beside(evidence) if loss > 0 else ''}"
        + limits_said(guard.judge_warn, guard.judge_fail, "above")
        + ("; its interval holds 0" if loss >= guard.judge_warn and not significant else ""),
    )


def _ends(found: ScorerComparison) -> tuple[float, float, float]:
    """Difference, and its ends with the smaller loss first."""
    return found.difference.mean, found.difference.high, found.difference.low


def _beside(evidence: Evidence) -> str:
    """What the reward did meanwhile tells buying it with the pictures from plain decay."""
    reward = evidence.compared(evidence.request.reward)
    if reward is None:
        return ""
    gain = f"{reward.gain.mean:+.2f} sd"
    return (
        f" while the reward rose by {gain}: over-optimisation"
        if evidence.reward_rose
        else (f" and the reward did not rise ({gain}): decay")
    )
