"""What the guard's signals say about a run, over its evaluations. Pure: the same reports give the same verdicts.

A single evaluation can be a fluke, so a signal fails a run only when it fails on `patience` evaluations in a row; a cap
(KL to the original base, lifetime reward queries, pictures unfit to show) fails at once. Which policy may be promoted
is stricter: one that fails any signal, confirmed or not, never is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from components.core.config import Contract
from components.core.contracts import EvaluationResult, Level, Signal


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


def raw_level(report: EvaluationResult) -> Level:
    """The worst level among a report's voting signals, without waiting for a second evaluation."""
    levels = {signal.level for signal in report.signals if signal.votes}
    return "fail" if "fail" in levels else "warn" if "warn" in levels else "pass"


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
