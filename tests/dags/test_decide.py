"""What `decide` makes of the guard's verdict, for each policy that a config may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.core import opening
from components.core.contracts import StepName, TrainingRequest
from components.core.layout import RunLayout
from components.core.runner import load_request
from dags.pipeline import notifications, plans, presets, promotions, tasks
from dags.pipeline.notifications import Notification
from tests.dags.fake_steps import base_model
from tests.dags.test_plans import Pushed, evaluate, train


class Decisions:
    """A run of six iterations, each policy evaluated; the reward rises by 0.1 sd an iteration."""

    def __init__(self, run: RunLayout) -> None:
        self.run = run
        self.told: list[Notification] = []

    def after(self, k: int, level: Any) -> tuple[str | None, Pushed]:
        """Train iteration k, evaluate its policy with a signal of that level, and decide."""
        train(self.run, k)
        evaluate(self.run, k + 1, level)
        pushed = Pushed()
        return tasks.decide.function({"run": self.run.uri, "iteration": k}, pushed), pushed


@pytest.fixture
def decisions(request: pytest.FixtureRequest, file_store: str, tmp_path: Path, monkeypatch: Any) -> Decisions:
    monkeypatch.setenv("DDPO_STORE", file_store)
    settings = ["iterations=6", "evaluation.every=1", f'guard.on_fail="{request.param}"']
    config = presets.resolve("smoke", [f"base.model={base_model(tmp_path / 'base')}", *settings])
    decisions = Decisions(opening.open_run(file_store, "cats", config))
    evaluate(decisions.run, 0)
    monkeypatch.setattr(notifications, "send", decisions.told.append)
    return decisions


def rate(decisions: Decisions, k: int) -> float:
    """Learning rate that iteration k is planned with."""
    request = load_request(StepName.TRAINING, plans.plan_iteration(decisions.run, k).uri("training"))
    assert isinstance(request, TrainingRequest)
    return request.training.learning_rate


@pytest.mark.parametrize("decisions", ["stop"], indirect=True)
def test_stop_ends_the_run_at_the_second_failure_and_registers_the_last_fit_policy(decisions: Decisions) -> None:
    assert decisions.after(0, "pass")[0] == "trigger_next"
    assert decisions.after(1, "fail")[0] == "trigger_next"  # one is no proof
    branch, pushed = decisions.after(2, "fail")
    assert branch == "register"
    assert pushed["promotion"] == {
        "run": decisions.run.uri,
        "policy": 1,
    }  # never one that fails, though its gain is higher
    assert [(n.kind, n.policy) for n in decisions.told] == [("verdict", 2), ("verdict", 3), ("finished", 1)]
    assert decisions.told[-1].text == "the guard failed policy 3: the judge: fail; its best policy is 1"


@pytest.mark.parametrize("decisions", ["stop"], indirect=True)
def test_stop_with_no_fit_policy_registers_nothing_and_says_so(
    decisions: Decisions, caplog: pytest.LogCaptureFixture
) -> None:
    decisions.after(0, "fail")
    branch, pushed = decisions.after(1, "fail")
    assert (branch, pushed) == (None, {})
    assert "nothing is registered: no policy of it is fit" in caplog.text
    assert decisions.told[-1].policy is None


@pytest.mark.parametrize("decisions", ["lower_rate"], indirect=True)
def test_lower_rate_goes_on_at_half_the_rate_after_each_confirmed_failure(decisions: Decisions) -> None:
    """The preset's rate is 1e-3 and the factor 0.5; the first failure is not confirmed yet."""
    rates = []
    for k, level in enumerate(("pass", "fail", "fail", "fail", "pass")):
        rates.append(rate(decisions, k))
        assert decisions.after(k, level)[0] == "trigger_next"
    assert [*rates, rate(decisions, 5)] == pytest.approx([1e-3, 1e-3, 1e-3, 5e-4, 2.5e-4, 2.5e-4])


@pytest.mark.parametrize("decisions", ["hold"], indirect=True)
def test_hold_goes_on_and_lets_nothing_be_promoted(decisions: Decisions) -> None:
    for k, level in enumerate(("pass", "fail", "fail", "pass", "pass")):
        assert decisions.after(k, level)[0] == "trigger_next"
    assert decisions.after(5, "pass")[0] == "register"
    judged = promotions.judge(decisions.run)
    assert judged.policy == 6
    assert not judged.gates.passed
    assert judged.gates.refused == "the guard holds this run: policy 3: the judge: fail"


@pytest.mark.parametrize("decisions", ["continue"], indirect=True)
def test_continue_goes_on_says_so_and_promotes_the_best_that_is_fit(decisions: Decisions) -> None:
    for k, level in enumerate(("pass", "fail", "fail", "pass", "fail")):
        assert decisions.after(k, level)[0] == "trigger_next"
    branch, pushed = decisions.after(5, "fail")
    assert branch == "register"
    assert pushed["promotion"]["policy"] == 4
    judged = promotions.judge(decisions.run)
    assert judged.gates.passed
    assert [n.policy for n in decisions.told if n.kind == "verdict"] == [2, 3, 5, 6]


@pytest.mark.parametrize("decisions", ["continue"], indirect=True)
def test_the_verdict_is_one_line_in_the_log_of_decide(decisions: Decisions, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        decisions.after(0, "warn")
    assert "policy 1: the guard says warn: the judge: warn" in caplog.messages
