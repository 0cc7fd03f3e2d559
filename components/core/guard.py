"""What the guard's signals say about a run, over its evaluations. Pure: the same reports give the same verdicts.

A single evaluation can be a fluke, so a signal fails a run only when it fails on `patience` evaluations in a row; a cap
(KL to the original base, lifetime reward queries, pictures unfit to show) fails at once. Which policy may be promoted
is stricter: one that fails any signal, confirmed or not, never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.core.config import Contract
from components.core.contracts import EvaluationResult, Level, Signal

HEALTH = ("reward_", "judge_missing", "lifetime_queries")
"""Signals about scorers that answer and budgets that last, not about what the pictures have become."""


class Verdict(Contract):
    """The guard's word on one policy of a run."""

    policy: int
    level: Level
    reasons: tuple[str, ...]
    """A sentence for each signal that warns or fails, the worst first; empty for a pass."""

    @property
    def said(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons) or "every signal is within its limits"


def verdicts(reports: Sequence[EvaluationResult], patience: int) -> tuple[Verdict, ...]:
    """One verdict a report, in order of policy. The start is judged too, and confirms nothing about its successors."""
    ordered = sorted(reports, key=lambda report: report.policy)
    return tuple(_verdict(report, ordered[:place], patience) for place, report in enumerate(ordered))


def raw_level(report: EvaluationResult) -> Level | None:
    """The worst level among a report's voting signals, without waiting for a second evaluation.

    None where there is no signal at all: nobody looked, and nothing is known.
    """
    if not report.signals:
        return None
    levels = {signal.level for signal in report.signals if signal.votes}
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "pass"


def blind(report: EvaluationResult) -> str | None:
    """What nobody watched, where a judge or every calibrated limit is silent; None where both speak.

    The reward's own health always votes, and is no judge of pictures.
    """
    voting = [signal.name for signal in report.signals if signal.votes and not signal.name.startswith(HEALTH)]
    judged = any(name.startswith("judge_loss") for name in voting)
    limited = any(not name.startswith("judge_loss") for name in voting)
    if judged and limited:
        return None
    return {
        (False, False): "no judge and no calibrated limit watched these pictures",
        (False, True): "no judge watched these pictures",
        (True, False): "no calibrated limit watched these pictures",
    }[judged, limited]


def _verdict(report: EvaluationResult, before: Sequence[EvaluationResult], patience: int) -> Verdict:
    earlier = [_failing(r) for r in before if r.policy > 0][-(patience - 1) :] if patience > 1 else []
    confirmed, alarms, warnings = [], [], []
    for signal in (s for s in report.signals if s.votes):
        if signal.level == "warn":
            warnings.append(signal.reason)
        elif signal.level == "fail" and (signal.cap or _confirmed(signal, earlier, patience)):
            confirmed.append(signal.reason)
        elif signal.level == "fail":
            alarms.append(f"{signal.reason} (to be confirmed: fails at {patience} evaluations in a row)")
    level: Level = "fail" if confirmed else "warn" if alarms or warnings else "pass"
    return Verdict(policy=report.policy, level=level, reasons=(*confirmed, *alarms, *warnings))


def _confirmed(signal: Signal, earlier: Sequence[Iterable[str]], patience: int) -> bool:
    return len(earlier) == patience - 1 and all(signal.name in failing for failing in earlier)


def _failing(report: EvaluationResult) -> set[str]:
    return {signal.name for signal in report.signals if signal.votes and signal.level == "fail"}
