"""The guard on the page: its verdict in words for who runs this, every signal, and what it said at each evaluation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from components.core import guard
from components.core.config import GuardConfig
from components.core.contracts import Signal
from components.core.guard import Verdict
from components.core.records import HELD_OUT
from components.core.tracking.facts import EvaluationFacts
from components.evaluation.report.evidence import Evidence
from components.evaluation.report.vocabulary import DASH, percent, plain, quantity, signal_words, signed

Tone = Literal["good", "mixed", "bad", "none"]
TONES: dict[str, Tone] = {"pass": "good", "warn": "mixed", "fail": "bad"}
SIGNS = {"pass": "✓", "warn": "!", "fail": "✗"}
"""Beside the colour, so that a level is never told by colour alone."""


@dataclass(frozen=True)
class Banner:
    """The guard's word on the run."""

    tone: Tone
    headline: str
    reasons: tuple[str, ...]
    sentences: tuple[str, ...]
    """What happened because of it, and what may be shown to people."""


@dataclass(frozen=True)
class SignalRow:
    """One signal of one policy."""

    name: str
    unit: str
    value: str
    warn: str
    fail: str
    level: str
    """`pass`, `warn`, `fail`; `not available`; or, without a vote, `no limit` or `would pass`, and so on."""
    sign: str
    vote: str
    reason: str


@dataclass(frozen=True)
class Moment:
    """One evaluation, as the guard saw it."""

    policy: int
    queries: int
    level: str
    """`pass`, `warn`, `fail`, or `no signals`."""
    sign: str
    gain: str
    judges: tuple[str, ...]
    said: str
    marks: tuple[str, ...]


def banner(evidence: Evidence) -> Banner:
    """The guard's word on a run, however far it is. A run that failed once has failed."""
    if not evidence.newest:
        return Banner("none", "The guard has not judged yet.", (), ("No trained policy has been evaluated.",))
    if not evidence.guarded:
        return Banner(
            "none",
            "No guard watched this run.",
            (),
            ("Its evaluations carry no signals, so nothing here has passed: judge the pictures yourself.",),
        )
    newest = evidence.verdicts[evidence.newest.result.policy]
    deciding = evidence.failed or newest
    headline = {
        "fail": f"Fail: the guard failed policy {deciding.policy}.",
        "warn": f"Warn: the guard has doubts about policy {deciding.policy}.",
        "pass": f"Pass: every vote is within its limits for policy {deciding.policy}.",
    }[deciding.level]
    said = (*_consequence(evidence, deciding), _best(evidence))
    return Banner(TONES[deciding.level], headline, deciding.reasons, said)


def signals(evidence: Evidence, policy: int) -> list[SignalRow]:
    """Every signal of one evaluated policy: those that vote, the worst first, then those that are shown only."""
    found = next((facts.result.signals for facts in evidence.evaluations if facts.result.policy == policy), ())
    ranks = {"fail": 0, "warn": 1, "pass": 2}
    ordered = sorted(found, key=lambda s: (not s.votes, s.value is None, ranks[s.level], s.name))
    return [_row(signal) for signal in ordered]


def history(evidence: Evidence) -> list[Moment]:
    """One line an evaluation."""
    moments = [_moment(evidence, facts) for facts in evidence.evaluations]
    alarms = [_alarms(facts) for facts in evidence.evaluations]
    return [
        replace(moment, said="as before") if place and alarms[place] and _repeats(place, moments, alarms) else moment
        for place, moment in enumerate(moments)
    ]


def marks(evidence: Evidence, policy: int) -> tuple[str, ...]:
    """What a policy is in its run: base, turning point, guard failed, best passing, newest."""
    turn, failed = evidence.turning_point, evidence.failed
    named = (
        ("base" if not evidence.campaign.config.start_adapter else "start", policy == 0),
        ("turning point", turn is not None and turn.policy == policy),
        ("guard failed", failed is not None and failed.policy == policy),
        (best_words(evidence), evidence.best == policy and policy > 0),
        ("newest", evidence.newest is not None and evidence.newest.result.policy == policy),
    )
    return tuple(name for name, is_so in named if is_so)


def best_words(evidence: Evidence) -> str:
    """How the best policy may be called: one that is warned of does not pass."""
    report = next((f.result for f in evidence.evaluations if f.result.policy == evidence.best), None)
    return "best, warned of" if report and guard.raw_level(report) == "warn" else "best passing"


def _moment(evidence: Evidence, facts: EvaluationFacts) -> Moment:
    policy = facts.result.policy
    verdict = evidence.verdicts.get(policy) if facts.result.signals else None
    gain = facts.result.comparison(evidence.reward, HELD_OUT)
    return Moment(
        policy=policy,
        queries=evidence.queries(policy),
        level=verdict.level if verdict else "no signals",
        sign=SIGNS[verdict.level] if verdict else DASH,
        gain=signed(gain.gain.mean) if gain else DASH,
        judges=tuple(_judged(evidence, judge, policy) for judge in evidence.judges),
        said=_said(verdict) if verdict else DASH,
        marks=marks(evidence, policy),
    )


def _alarms(facts: EvaluationFacts) -> set[tuple[str, str]]:
    return {(signal.name, signal.level) for signal in facts.result.signals if signal.votes and signal.level != "pass"}


def _repeats(place: int, moments: list[Moment], alarms: list[set[tuple[str, str]]]) -> bool:
    return alarms[place] == alarms[place - 1] and moments[place].level == moments[place - 1].level


def _consequence(evidence: Evidence, deciding: Verdict) -> tuple[str, ...]:
    policy: GuardConfig = evidence.campaign.config.guard
    if deciding.level == "fail":
        trained = len(evidence.iterations)
        ended = "" if trained == deciding.policy else f" Policy {trained} was trained by then;"
        return (
            {
                "stop": f"The config says stop.{ended or ' The run ended;'} only a fork of it goes on.",
                "lower_rate": f"The config says lower the rate: the run goes on at {evidence.campaign.rate:g} of it.",
                "hold": "The config says hold: the run goes on, and nothing of it may be promoted.",
                "continue": "The config says continue: the run goes on, and it is for you to stop it.",
            }[policy.on_fail],
        )
    if deciding.level == "warn":
        return ("Look at the pictures before anything of this run is promoted: a warning always waits for a person.",)
    return ()


def _best(evidence: Evidence) -> str:
    best = evidence.best
    if not best:
        return "Every trained policy has a failing signal: the run falls back to where it started, policy 0."
    held = evidence.failed is not None and evidence.campaign.config.guard.on_fail == "hold"
    if best_words(evidence) == "best passing":
        return f"Policy {best} is the best that passes{'.' if held else ': the one to promote.'}"
    return f"No trained policy passes without a warning; policy {best} is the best of those that are warned of."


def _row(signal: Signal) -> SignalRow:
    return SignalRow(
        name=signal_words(signal.name),
        unit=signal.unit,
        value=quantity(signal.value, signal.unit),
        warn=quantity(signal.warn, signal.unit),
        fail=quantity(signal.fail, signal.unit),
        level=_level(signal),
        sign=SIGNS[signal.level] if signal.votes and signal.value is not None else DASH,
        vote=("cap" if signal.cap else "votes") if signal.votes else "shown only",
        reason=signal.reason,
    )


def _level(signal: Signal) -> str:
    if signal.value is None:
        return "not available"
    if signal.votes:
        return signal.level
    return f"would {signal.level}" if (signal.warn, signal.fail) != (None, None) else "no limit"


def _judged(evidence: Evidence, judge: str, policy: int) -> str:
    found = [c for facts, c in evidence.compared(judge, HELD_OUT) if facts.result.policy == policy]
    if not found:
        return DASH
    mean = found[0].candidate_mean
    return percent(mean) if 0 <= mean <= 1 and 0 <= found[0].reference_mean <= 1 else plain(mean, 3)


def _said(verdict: Verdict) -> str:
    if not verdict.reasons:
        return "every vote within its limits"
    more = len(verdict.reasons) - 1
    return verdict.reasons[0] + (f" (and {more} more)" if more else "")
