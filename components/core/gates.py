"""What a registered policy must show before anybody is asked to promote it. Pure: a function of what is committed."""

from __future__ import annotations

from components.core import guard
from components.core.audit import Audited
from components.core.campaign import Campaign
from components.core.config import Contract
from components.core.contracts import EvaluationResult, ScorerComparison
from components.core.promotion import Promotion
from components.core.records import HELD_OUT


class Gate(Contract):
    """One condition."""

    name: str
    passed: bool
    reason: str
    """One sentence with the numbers."""


class Gates(Contract):
    """All of them, for one policy."""

    policy: int
    policy_id: str
    gates: tuple[Gate, ...]
    needs_person: str | None = None
    """Why the gates alone may not decide, even where the config allows it; None: they may."""

    @property
    def passed(self) -> bool:
        """Whether the policy may be promoted."""
        return all(gate.passed for gate in self.gates)

    @property
    def refused(self) -> str:
        """The first reason against it; empty where there is none."""
        return next((gate.reason for gate in self.gates if not gate.passed), "")


def judge(state: Campaign, policy: int, champion: Promotion | None, audited: Audited | None = None) -> Gates:
    """Hold policy k of a run against every gate. `champion` is the model's, now; `audited` what is known of the reward,
    None where the config asks for no audit.
    """
    report = next((r for r in state.reports if r.policy == policy), None)
    if policy < 1 or report is None:
        missing = Gate(
            name="evaluated", passed=False, reason=f"policy {policy} of {state.run.run_id} has no evaluation"
        )
        return Gates(policy=policy, policy_id="", gates=(missing,))
    gates = (
        _same_champion(state, report, champion),
        _hold(state),
        _guard(report),
        _gain(state, report),
        *_over_champion(state, report),
        *_deployed(state, report),
        *_audit(state, audited),
    )
    person = _needs_person(state, report, audited)
    return Gates(policy=policy, policy_id=report.policy_id, gates=gates, needs_person=person)


def _same_champion(state: Campaign, report: EvaluationResult, champion: Promotion | None) -> Gate:
    """What it was compared with is what it would replace."""
    if champion is not None and champion.policy_id == report.policy_id:
        return Gate(name="champion", passed=False, reason=f"policy {report.policy_id:.12} is the champion already")
    if champion is not None and champion.base_id != state.base_id:
        other = f"the champion belongs to another base, {champion.base_id}: choose another registration.model"
        return Gate(name="champion", passed=False, reason=other)
    compared = report.champion_id
    now = champion.policy_id if champion is not None and champion.policy else None
    if compared == now:
        against = f"champion {now:.12}" if now else "the base, which is champion"
        return Gate(name="champion", passed=True, reason=f"compared with {against}")
    was = f"{compared:.12}" if compared else "the base"
    return Gate(
        name="champion",
        passed=False,
        reason=f"compared with {was}, but the champion is {now or 'the base':.12} now: run it again against that one",
    )


def _hold(state: Campaign) -> Gate:
    failed = next((v for v in state.verdicts if v.level == "fail"), None)
    if state.config.guard.on_fail == "hold" and failed is not None:
        return Gate(
            name="hold", passed=False, reason=f"the guard holds this run: policy {failed.policy}: {failed.said}"
        )
    return Gate(name="hold", passed=True, reason="the guard does not hold this run")


def _guard(report: EvaluationResult) -> Gate:
    level = guard.raw_level(report)
    if level is None:
        return Gate(name="guard", passed=False, reason="its evaluation holds no signals: the guard did not look")
    voting = [signal for signal in report.signals if signal.votes]
    said = "; ".join(signal.reason for signal in voting if signal.level == level)
    if level == "pass":
        said = f"{len(voting)} signals vote, {len(report.signals) - len(voting)} do not"
    unwatched = f"; {lack}" if (lack := guard.blind(report)) else ""
    return Gate(name="guard", passed=level != "fail", reason=f"the guard says {level}: {said}{unwatched}")


def _gain(state: Campaign, report: EvaluationResult) -> Gate:
    least = state.config.promotion.min_gain
    return _above(report.comparison(state.config.reward.name, HELD_OUT), least, name="held-out gain", over="the base")


def _over_champion(state: Campaign, report: EvaluationResult) -> tuple[Gate, ...]:
    if report.champion_id is None:
        return ()
    found = report.comparison(state.config.reward.name, HELD_OUT, "champion")
    least = state.config.promotion.min_gain_over_champion
    return (_above(found, least, name="gain over champion", over="the champion"),)


def _deployed(state: Campaign, report: EvaluationResult) -> tuple[Gate, ...]:
    """The sampler that ships must gain too. Few pictures are drawn with it: its mean decides, not its interval."""
    if not state.config.evaluation.deployed_seeds:
        return ()
    found = report.comparison(state.config.reward.name, HELD_OUT, sampler="deployed")
    if found is None:
        return (Gate(name="deployed sampler", passed=False, reason="its pictures were not compared"),)
    said = f"with the sampler that ships (eta 0): {_shown(found)}"
    return (Gate(name="deployed sampler", passed=found.gain.mean > state.config.promotion.min_gain, reason=said),)


def _audit(state: Campaign, audited: Audited | None) -> tuple[Gate, ...]:
    """A reward that failed its audit pays for the wrong thing, whatever the other gates say."""
    if audited is None:
        return ()
    passed = audited.level in ("pass", "warn") or (audited.level is None and state.config.promotion.audit != "required")
    return (Gate(name="audit", passed=passed, reason=audited.said),)


def _above(found: ScorerComparison | None, least: float, *, name: str, over: str) -> Gate:
    if found is None:
        return Gate(name=name, passed=False, reason=f"no {HELD_OUT} comparison with {over}")
    said = f"held-out gain over {over} {_shown(found)}; its lower end must lie above {least:g}"
    return Gate(name=name, passed=found.gain.low > least, reason=said)


def _needs_person(state: Campaign, report: EvaluationResult, audited: Audited | None) -> str | None:
    if state.config.promotion.approval == "person":
        return "the config asks for a person"
    if (unwatched := guard.blind(report)) or guard.raw_level(report) == "warn":
        return unwatched or "the guard warns"
    if audited is None or audited.level == "pass":
        return None
    return "the reward's audit warns" if audited.level else "the reward is not audited"


def _shown(c: ScorerComparison) -> str:
    return f"{c.gain.mean:+.2f} sd [{c.gain.low:+.2f}, {c.gain.high:+.2f}]"
