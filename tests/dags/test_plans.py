"""Plans are committed once, and what is committed is what runs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from components.core import campaign, opening, store
from components.core.config import RunConfig
from components.core.contracts import (
    EvaluationRequest,
    EvaluationResult,
    Interval,
    SamplingRequest,
    ScorerComparison,
    Signal,
    StepName,
    TrainingResult,
)
from components.core.layout import RunLayout
from components.core.runner import load_request
from dags.pipeline import plans, presets, retrain_tasks, tasks
from tests.dags.fake_steps import base_model


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return presets.resolve("smoke", [f"base.model={base_model(tmp_path / 'base')}"])


@pytest.fixture
def run(file_store: str, config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> RunLayout:
    monkeypatch.setenv("DDPO_STORE", file_store)
    return opening.open_run(file_store, "cats", config)


class Pushed(dict[str, Any]):
    """What a task pushes."""

    def xcom_push(self, key: str, value: Any) -> None:
        self[key] = value


def test_a_plan_holds_a_request_for_every_command(run: RunLayout) -> None:
    planned = plans.plan_iteration(run, 0)
    assert planned.names == ("prompts", "sampling-00", "scoring-00", "sampling-01", "scoring-01", "training")
    assert planned.shards()[1] == {
        "sampling": f"{run.uri}/iterations/0000/plan/sampling-01.json",
        "scoring": f"{run.uri}/iterations/0000/plan/scoring-01.json",
    }
    request = load_request(StepName.SAMPLING, planned.shards()[1]["sampling"])
    assert isinstance(request, SamplingRequest)
    assert request.out == run.sampling(0, 1)


def test_planning_twice_commits_once(run: RunLayout) -> None:
    first = plans.plan_iteration(run, 0)
    attempt = store.open_committed(first.prefix).manifest.attempt
    assert plans.plan_iteration(run, 0) == first
    assert store.open_committed(first.prefix).manifest.attempt == attempt
    assert store.children(f"{first.prefix}/attempts") == [attempt]


def test_a_committed_plan_is_honoured_though_a_release_would_plan_otherwise(
    run: RunLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plans.plan_iteration(run, 0)
    monkeypatch.setattr(plans, "iteration_requests", lambda *a, **k: {"something": None})
    assert plans.plan_iteration(run, 0) == planned


def test_the_baseline_also_lays_out_the_evaluation_set(run: RunLayout) -> None:
    state = campaign.load(run)
    assert "prompts" in plans.plan_evaluation(state, 0).names
    assert "prompts" not in plans.plan_evaluation(state, 2).names


def test_the_plan_task_passes_uris_only(run: RunLayout) -> None:
    pushed = Pushed()
    shards = tasks.plan.function({"run": "cats", "iteration": 0}, pushed)
    assert [sorted(shard) for shard in shards] == [["sampling", "scoring"]] * 2
    assert set(pushed) == {"prompts", "training"}
    assert all(uri.startswith("file://") for uri in pushed.values())


def test_a_run_that_is_not_there_fails_the_plan_at_once(run: RunLayout) -> None:
    with pytest.raises(AirflowFailException, match="no run at"):
        tasks.plan.function({"run": "dogs", "iteration": 0}, Pushed())


def train(run: RunLayout, k: int) -> None:
    """Commit iteration k's training."""
    request = load_request(StepName.TRAINING, plans.plan_iteration(run, k).uri("training"))
    result = TrainingResult(
        policy_id=f"p{k + 1}", parent_id=f"p{k}", iteration=k, metrics={"reward_mean": 1.0}, samples=8, dropped=0
    )
    with store.Attempt(request.out, step="training") as attempt:
        attempt.commit(request, result)


def evaluate(run: RunLayout, policy: int, level: Any = "pass") -> None:
    """Commit policy k's evaluation: a gain of 0.1 sd a policy, and a signal of that level."""
    plan = plans.plan_evaluation(campaign.load(run), policy)
    request = load_request(StepName.EVALUATION, plan.uri("evaluation"))
    assert isinstance(request, EvaluationRequest)
    gain = Interval(mean=0.1 * policy, low=0.05 * policy, high=0.2 * policy)
    result = EvaluationResult(
        policy=policy, policy_id=f"p{policy}", base_id="p0", start_id="p0", kl_to_base=0.1,
        comparisons=tuple(
            ScorerComparison(
                scorer=request.reward, split="held_out", reference="base", sampler=sampler, prompts=4, pairs=4,
                reference_mean=1.0, reference_std=0.1, candidate_mean=1.0, difference=gain, gain=gain, missing=0,
            )
            for sampler in ("trained", "deployed")
        ),
        signals=(
            Signal(name="judge_loss:judge", value=0.4, unit="share", level=level, reason=f"the judge: {level}"),
        ),
    )  # fmt: skip
    with store.Attempt(request.out, step="evaluation") as attempt:
        attempt.commit(request, result)


def decided(run: RunLayout, k: int) -> tuple[Any, Pushed]:
    pushed = Pushed()
    return tasks.decide.function({"run": run.uri, "iteration": k}, pushed), pushed


def test_after_the_first_iteration_the_next_is_triggered_by_name(run: RunLayout) -> None:
    train(run, 0)
    assert decided(run, 0) == (
        "trigger_next",
        {"conf": {"run": run.uri, "iteration": 1}, "run_id": "cats-it-0001"},
    )


def test_the_last_iteration_registers_the_best_policy(run: RunLayout) -> None:
    train(run, 0)
    train(run, 1)
    assert decided(run, 1) == (None, {})  # of what nobody looked at, nothing is fit
    evaluate(run, 2)
    branch, pushed = decided(run, 1)
    assert branch == "register"
    assert pushed == {
        "registration": f"{run.uri}/registrations/0002/plan/registration.json",
        "promotion": {"run": run.uri, "policy": 2},
        "promotion_run_id": "cats-promote-0002",
    }


def test_a_stop_ends_the_run_and_a_resume_goes_on(run: RunLayout) -> None:
    train(run, 0)
    campaign.control(run, "stop")
    evaluate(run, 1)
    assert decided(run, 0)[0] == "register"
    campaign.control(run, "resume")
    assert decided(run, 0)[0] == "trigger_next"


def test_registration_can_be_switched_off(file_store: str, config: RunConfig) -> None:
    quiet = config.model_copy(update={"registration": config.registration.model_copy(update={"enabled": False})})
    run = opening.open_run(file_store, "quiet", quiet)
    train(run, 0)
    train(run, 1)
    assert decided(run, 1) == (None, {})


def test_an_evaluation_is_planned_when_it_is_due(run: RunLayout) -> None:
    """The smoke preset evaluates every second policy, and the last: two shards, and one of the sampler that ships."""
    assert tasks.plan_evaluation.function({"run": "cats", "iteration": 0}, Pushed()) is None
    assert len(tasks.plan_evaluation.function({"run": "cats", "iteration": 1}, Pushed())) == 3


FORM: dict[str, Any] = {
    "preset": "smoke", "run_id": "cats", "overrides": None, "iterations": None, "seed": None,
    "start": "base", "seed_policy": "preset", "force": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"overrides": ["training.lerning_rate=1"]}, "training.lerning_rate: unknown key"),
        ({"iterations": 0}, "iterations = 0: "),
        ({"overrides": ["base.model=/nowhere"]}, "no base model at /nowhere"),
        ({"run_id": "../x"}, "must be a letter or digit"),
        ({"seed": 1}, "exists with another config"),
        ({"preset": None, "run_id": "dogs"}, "no run at"),
    ],
)
def test_a_wrong_form_fails_at_once_in_one_line(run: RunLayout, tmp_path: Path, wrong: Any, line: str) -> None:
    given = FORM | wrong
    given["overrides"] = [f"base.model={tmp_path / 'base'}", *(given["overrides"] or [])]
    with pytest.raises(AirflowFailException, match=line) as caught:
        retrain_tasks.open_run.function(given, SimpleNamespace(run_after=None), Pushed())
    assert "\n" not in str(caught.value)


def test_the_form_opens_a_run_and_says_where_to_begin(run: RunLayout) -> None:
    pushed = Pushed()
    shards = retrain_tasks.open_run.function(FORM | {"preset": None}, SimpleNamespace(run_after=None), pushed)
    assert len(shards) == 3
    assert pushed["run"] == run.uri
    assert retrain_tasks.begin.function(run.uri, pushed) == "trigger_first"
    assert (pushed["conf"]["iteration"], pushed["run_id"]) == (0, "cats-it-0000")
