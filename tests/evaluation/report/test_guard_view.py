"""The guard on the page: what an operator reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from components.core import store
from components.core.contracts import Signal
from components.evaluation import step
from components.evaluation.report.evidence import Evidence, gather
from components.evaluation.report.guard_view import banner, history, signals
from components.evaluation.report.page import render
from tests.evaluation.report.reading import section, text_of
from tests.evaluation.report.watched import SMALL, over_long
from tests.evaluation.synthetic_run import SyntheticRun


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return gather(over_long(tmp_path_factory.mktemp("failed")).run.uri)


@pytest.fixture(scope="module")
def page(failed: Evidence) -> str:
    return render(failed)


@pytest.fixture
def unsigned(tmp_path: Path) -> SyntheticRun:
    """A run whose reports a test commits itself."""
    return SyntheticRun((tmp_path / "store").as_uri(), tmp_path / "base", **SMALL)


def report_with(run: SyntheticRun, policy: int, *signals: Signal) -> None:
    """Commit a real evaluation's report with these signals in place of its own."""
    for k in range(max(policy - 2, 0), policy):
        run.train(k)
    request = run.draw_and_score(policy)
    with store.Attempt(request.out, step="evaluation") as attempt:
        result = step.run(request, attempt)
        attempt.commit(request, result.model_copy(update={"signals": signals}))


def signal(name: str, level: str, **more: object) -> Signal:
    values = {"value": 1.0, "unit": "nats", "reason": f"{name} says {level}", **more}
    return Signal.model_validate({"name": name, "level": level, **values})


def test_a_failed_run_says_so_and_names_what_may_be_promoted(failed: Evidence):
    found = banner(failed)
    assert (found.tone, found.headline) == ("bad", "Fail: the guard failed policy 6.")
    assert found.reasons[0].startswith("judge lost 100% ")
    assert "The config says stop. The run ended; only a fork of it goes on." in found.sentences
    assert "Policy 2 is the best that passes: the one to promote." in found.sentences


def test_the_history_names_each_policy_for_what_it_is(failed: Evidence):
    told = {moment.policy: (moment.level, moment.marks) for moment in history(failed)}
    assert told == {
        0: ("pass", ("base",)),
        2: ("pass", ("best passing",)),
        4: ("warn", ("turning point",)),
        6: ("fail", ("guard failed", "newest")),
    }


def test_the_turning_point_is_said_and_marked(failed: Evidence, page: str):
    """Policy 4 had cost 4 x 64 reward queries."""
    said = text_of(section(page, "over-optimisation"))
    assert "The turning point is policy 4, after 256 reward queries: from there on the judge lost" in said
    for mark in ("turning point: policy 4", "guard failed: policy 6", "best passing: policy 2"):
        assert mark in said
    places = [failed.queries(policy) for policy in (2, 4, 6)]
    lines = re.findall(r'd="M ([\d.]+) [\d.]+ L \1 [\d.]+"[^>]*?stroke: var\(--(good|mixed|bad)\)', page)
    found = {colour: float(x) for x, colour in lines}
    ratio = (found["mixed"] - found["good"]) / (found["bad"] - found["mixed"])
    assert ratio == pytest.approx((places[1] - places[0]) / (places[2] - places[1]), abs=0.01)


def test_a_warning_waits_for_a_person(unsigned: SyntheticRun):
    report_with(unsigned, 0)
    report_with(unsigned, 2, signal("kl_to_base", "warn"))
    found = banner(gather(unsigned.run.uri))
    assert (found.tone, found.headline) == ("mixed", "Warn: the guard has doubts about policy 2.")
    assert found.reasons == ("kl_to_base says warn",)
    assert "No trained policy passes without a warning; policy 2 is the best of those" in found.sentences[-1]


def test_a_pass_is_the_one_to_promote(unsigned: SyntheticRun):
    report_with(unsigned, 0)
    report_with(unsigned, 2, signal("kl_to_base", "pass"))
    found = banner(gather(unsigned.run.uri))
    assert (found.tone, found.reasons) == ("good", ())
    assert found.sentences == ("Policy 2 is the best that passes: the one to promote.",)


def test_a_run_without_signals_did_not_pass(unsigned: SyntheticRun):
    """As runs of an older release have them: absent is unknown, never fine."""
    report_with(unsigned, 0)
    report_with(unsigned, 2)
    evidence = gather(unsigned.run.uri)
    assert banner(evidence).tone == "none"
    assert banner(evidence).headline == "No guard watched this run."
    assert evidence.best is None
    assert "best passing" not in render(evidence)


def test_where_every_policy_fails_the_run_falls_back_to_its_start(unsigned: SyntheticRun):
    report_with(unsigned, 0)
    report_with(unsigned, 2, signal("kl_to_base", "fail", cap=True, fail=0.5))
    found = banner(gather(unsigned.run.uri))
    assert found.tone == "bad"
    assert "falls back to where it started, policy 0" in found.sentences[-1]


def test_a_signal_without_a_vote_neither_passes_nor_fails(unsigned: SyntheticRun):
    report_with(unsigned, 0)
    report_with(
        unsigned,
        2,
        signal("statistic:jpeg_kb", "fail", votes=False, fail=0.5),
        signal("diversity:within_prompt", "pass", value=None, votes=False),
        signal("saturation", "pass", votes=False),
        signal("judge_loss:judge", "warn", unit="share of the base's score", value=0.21, warn=0.15, fail=0.35),
    )
    evidence = gather(unsigned.run.uri)
    rows = {row.name: (row.value.replace("\u00a0", " "), row.level, row.vote) for row in signals(evidence, 2)}
    assert rows == {
        "judge loss: judge": ("21 %", "warn", "votes"),
        "picture statistic: jpeg kb": ("1", "would fail", "shown only"),
        "saturation": ("1", "no limit", "shown only"),
        "diversity: within prompt": ("–", "not available", "shown only"),
    }
    assert next(iter(rows)) == "judge loss: judge"
    assert banner(evidence).tone == "mixed"
