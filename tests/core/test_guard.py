"""What the guard makes of several evaluations, worked out by hand."""

from __future__ import annotations

import pytest

from components.core.contracts import EvaluationResult, Level, Signal
from components.core.guard import raw_level, verdicts


def signal(name: str, level: Level = "fail", *, votes: bool = True, cap: bool = False) -> Signal:
    return Signal(name=name, value=1, unit="", level=level, votes=votes, cap=cap, reason=f"{name} {level}s")


def report(policy: int, *signals: Signal) -> EvaluationResult:
    return EvaluationResult(
        policy=policy, policy_id=f"p{policy}", base_id="p0", start_id="p0", comparisons=(), kl_to_base=0,
        signals=signals,
    )  # fmt: skip


def history(pattern: str) -> list[EvaluationResult]:
    """Policy 0 passes; then one evaluation a letter: s and d fail, S is a cap that fails, w warns, . passes."""
    of = {
        "s": signal("judge_loss:judge"),
        "S": signal("kl_to_base", cap=True),
        "w": signal("judge_loss:judge", "warn"),
        ".": signal("judge_loss:judge", "pass"),
        "d": signal("diversity:within_prompt"),
    }
    return [report(0), *(report(5 * n, of[letter]) for n, letter in enumerate(pattern, start=1))]


def levels(pattern: str, patience: int = 2) -> list[Level]:
    return [verdict.level for verdict in verdicts(history(pattern), patience)][1:]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("..", ["pass", "pass"]),
        (".w.", ["pass", "warn", "pass"]),
        ("ww", ["warn", "warn"]),  # two warnings are no fail
        ("s.", ["warn", "pass"]),  # a fluke
        ("ss", ["warn", "fail"]),
        ("s.s", ["warn", "pass", "warn"]),  # not in a row
        ("sws", ["warn", "warn", "warn"]),  # a warning is no fail, and breaks the row
        ("sd", ["warn", "warn"]),  # two evaluations, two signals: neither is confirmed
        ("sss", ["warn", "fail", "fail"]),
        (".S", ["pass", "fail"]),  # a cap waits for nobody
    ],
)
def test_a_signal_fails_a_run_on_two_evaluations_in_a_row(pattern: str, expected: list[Level]):
    assert levels(pattern) == expected


def test_patience_of_one_fails_at_the_first():
    assert levels(".s", patience=1) == ["pass", "fail"]


def test_patience_of_three_needs_three():
    assert levels("sssS", patience=3) == ["warn", "warn", "fail", "fail"]


def test_evaluations_are_in_order_of_policy_however_they_come():
    turned = list(reversed(history("ss.")))
    assert [v.policy for v in verdicts(turned, 2)] == [0, 5, 10, 15]
    assert [v.level for v in verdicts(turned, 2)] == ["pass", "warn", "fail", "pass"]


def test_a_start_that_fails_confirms_nothing_about_its_successors():
    """A warm start from a poor champion: policy 5 is the first of this run that fails, not the second."""
    found = verdicts([report(0, signal("judge_loss:judge")), report(5, signal("judge_loss:judge"))], 2)
    assert [v.level for v in found] == ["warn", "warn"]


def test_a_start_beyond_a_cap_fails():
    assert verdicts([report(0, signal("kl_to_base", cap=True))], 2)[0].level == "fail"


def test_what_has_no_vote_neither_fails_nor_confirms():
    silent = signal("judge_loss:judge", votes=False)
    found = verdicts([report(0), report(5, silent), report(10, silent), report(15, signal("judge_loss:judge"))], 2)
    assert [v.level for v in found] == ["pass", "pass", "pass", "warn"]


def test_reasons_come_worst_first_and_say_what_is_not_confirmed_yet():
    before = report(5, signal("a"))
    now = report(10, signal("c", "warn"), signal("b"), signal("a"), signal("e", "pass"), signal("d", cap=True))
    verdict = verdicts([before, now], 2)[1]
    assert verdict.level == "fail"
    assert verdict.reasons == (
        "a fails",
        "d fails",
        "b fails (to be confirmed: fails at 2 evaluations in a row)",
        "c warns",
    )
    assert verdict.said.startswith("a fails; d fails; b fails (to be")


def test_a_pass_says_so():
    assert verdicts([report(0)], 2)[0].said == "every signal is within its limits"


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ((), None),  # nobody looked
        ((signal("a", "warn"), signal("b", "pass")), "warn"),
        ((signal("a", "warn"), signal("b")), "fail"),
        ((signal("a", votes=False),), "pass"),
    ],
)
def test_what_may_be_promoted_does_not_wait_for_a_second_evaluation(
    signals: tuple[Signal, ...], expected: Level | None
):
    assert raw_level(report(5, *signals)) == expected


def test_no_reports_no_verdicts():
    assert verdicts([], 2) == ()
