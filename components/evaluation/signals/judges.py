"""The reward against judges that nobody optimises: what a judge lost of the base's score.

On held-out prompts, and on all of them. Neither runs ahead of the other: held-out is what ships, and often falls first;
all prompts are several times as many, and show a loss that spares the held-out ones. The interval must exclude 0, so
that few prompts raise no alarm.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.core.contracts import Interval, Level, Signal
from components.core.seeds import derive_seed
from components.evaluation import bootstrap
from components.evaluation.bootstrap import Floats
from components.evaluation.paired import pair
from components.evaluation.signals.evidence import Evidence
from components.evaluation.signals.level import unavailable

UNIT = "share of the base's score"


def judge_losses(evidence: Evidence) -> list[Signal]:
    """`judge_loss:<judge>` on the split that decides, and `judge_loss_all:<judge>` where there are others."""
    deciding, every = [evidence.deciding_split], evidence.base.splits
    scopes = [("judge_loss", f"{deciding[0].replace('_', '-')} prompts", deciding)]
    if every != deciding:
        scopes.append(("judge_loss_all", "prompts of all splits", every))
    return [
        _judge_loss(f"{kind}:{judge}", judge, words, splits, evidence)
        for judge in evidence.request.judges
        for kind, words, splits in scopes
    ]


def _judge_loss(name: str, judge: str, where: str, splits: Sequence[str], evidence: Evidence) -> Signal:
    pairs = [pair(evidence.candidate, evidence.base, judge, split) for split in splits]
    reference = [of_prompt for some in pairs for of_prompt in some.reference]
    if not reference:
        return unavailable(name, UNIT, f"it gave nothing on {where}")
    before = bootstrap.mean_over_prompts(reference)
    if before <= 0:  # a score that has no zero, as logits have none: there is no share of it
        return unavailable(name, UNIT, f"the base's score is {before:.3g}: no share of it can be lost")
    moved = _interval([of_prompt for some in pairs for of_prompt in some.difference], splits, evidence)
    return _signal(name, f"{judge} lost", f"{before:.3g} on {len(reference)} {where}", moved, before, evidence)


def _signal(name: str, who: str, of_what: str, moved: Interval, before: float, evidence: Evidence) -> Signal:
    """`moved` is candidate minus base: a loss is its negative, as a share of what was there before."""
    warn, fail = evidence.request.guard.judge_warn, evidence.request.guard.judge_fail
    loss, least, most = (-value / before for value in (moved.mean, moved.high, moved.low))
    level: Level = "pass"
    if least > 0 and loss >= warn:
        level = "fail" if loss >= fail else "warn"
    said = f"{who} {loss:.0%} [{least:.0%}, {most:.0%}]" if loss > 0 else f"{who} nothing ({-loss:+.0%})"
    chance = "; its interval holds 0" if loss >= warn and least <= 0 else ""
    return Signal(
        name=name,
        value=loss + 0.0,
        unit=UNIT,
        warn=warn,
        fail=fail,
        level=level,
        reason=f"{said} of the base's {of_what}{_beside(evidence) if loss > 0 else ''} "
        f"(warns from {warn:.0%}, fails from {fail:.0%}){chance}",
    )


def _beside(evidence: Evidence) -> str:
    """What the reward did meanwhile tells buying it with the pictures from plain decay."""
    reward = evidence.compared(evidence.request.reward)
    if reward is None:
        return ""
    gain = f"{reward.gain.mean:+.2f} sd"
    if reward.difference.low > 0:
        return f" while the reward rose by {gain}: over-optimisation"
    return f" and the reward did not rise ({gain}): decay"


def _interval(differences: list[Floats], splits: Sequence[str], evidence: Evidence) -> Interval:
    """Of one split, the interval that its comparison has."""
    evaluation = evidence.request.evaluation
    return bootstrap.interval(
        differences,
        resamples=evaluation.resamples,
        confidence=evaluation.confidence,
        seed=derive_seed("bootstrap", evaluation.set, splits[0] if len(splits) == 1 else "all"),
    )
