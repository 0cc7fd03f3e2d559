"""What opens a scheduled campaign: a reason, no unfinished one beside it, and a start that a retry finds again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.core import campaign, promotion
from components.core.campaign import Campaign
from components.core.layout import RunLayout
from components.core.promotion import Candidate
from dags.pipeline import retrain_tasks
from tests.dags.fake_steps import base_model
from tests.dags.test_plans import Pushed, train


class Schedule:
    """`open_run`, as a scheduler calls it."""

    def __init__(self, store: str, base: Path) -> None:
        self.store = store
        self.overrides = [f"base.model={base}", "registration.model=cats"]

    def opens(self, run_id: str, *overrides: str, **form: Any) -> Campaign:
        given = {"preset": "smoke", "run_id": run_id, "iterations": None, "seed": None, "start": "base"}
        given |= {"seed_policy": "preset", "force": False, "overrides": [*self.overrides, *overrides], **form}
        pushed = Pushed()
        retrain_tasks.open_run.function(given, SimpleNamespace(run_after=None), pushed)
        return campaign.load(RunLayout(pushed["run"]))

    def ends(self, run_id: str) -> None:
        """All iterations of a run are trained."""
        for k in range(2):
            train(RunLayout.of(self.store, run_id), k)


@pytest.fixture
def schedule(file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Schedule:
    monkeypatch.setenv("DDPO_STORE", file_store)
    return Schedule(file_store, base_model(tmp_path / "base"))


def test_an_unchanged_monday_is_skipped_with_the_sentence(schedule: Schedule) -> None:
    assert schedule.opens("first").start.preset == "smoke"
    schedule.ends("first")
    with pytest.raises(AirflowSkipException, match=r"^nothing changed since first: "):
        schedule.opens("second")
    assert campaign.list_runs(schedule.store) == ["first"]
    assert schedule.opens("second", force=True).run.run_id == "second"


def test_a_changed_reward_is_a_reason(schedule: Schedule) -> None:
    schedule.opens("first")
    schedule.ends("first")
    assert schedule.opens("second", "reward.name=jpeg_compressibility").next_iteration == 0


def test_an_unfinished_campaign_of_the_preset_is_named_and_nothing_starts(schedule: Schedule) -> None:
    schedule.opens("first")
    with pytest.raises(
        AirflowFailException, match=r"run first of preset smoke is not finished.*ddpo stop first"
    ) as raised:
        schedule.opens("second", seed=7)
    assert "\n" not in str(raised.value)
    assert campaign.list_runs(schedule.store) == ["first"]


def test_another_preset_may_run_beside_it(schedule: Schedule) -> None:
    schedule.opens("first")
    assert schedule.opens("other", preset="demo").start.preset == "demo"


def test_a_retry_goes_on_with_the_run_of_the_first_try(schedule: Schedule) -> None:
    schedule.opens("first")
    assert schedule.opens("first").run.run_id == "first"


def test_an_advancing_seed_is_a_reason_each_time_and_stays_with_its_run(schedule: Schedule) -> None:
    assert schedule.opens("first", seed_policy="advance").config.seed == 0
    schedule.ends("first")
    assert schedule.opens("second", seed_policy="advance").config.seed == 1
    assert schedule.opens("second", seed_policy="advance").config.seed == 1  # the retry, though a run has seed 1 now
    schedule.ends("second")
    assert schedule.opens("third", seed_policy="advance").config.seed == 2
    schedule.ends("third")
    assert schedule.opens("fourth", seed_policy="advance", seed=40).config.seed == 40


def crown(schedule: Schedule, run: Campaign, policy: int) -> str:
    """Make a policy of a run champion of `cats`; returns its training."""
    training = run.run.training(policy - 1)
    champion = Candidate(
        policy_id=f"{run.run.run_id}-{policy}", base_id=run.base_id, run=run.run.uri, policy=policy,
        training=training, registration=run.run.registration(policy),
    )  # fmt: skip
    entries = len(promotion.read_log(schedule.store, "cats"))
    promotion.promote(schedule.store, "cats", champion, expected=entries, by="me", reason="a test")
    return training


def test_a_start_from_the_champion_is_frozen_by_the_first_try(schedule: Schedule) -> None:
    first = schedule.opens("first")
    schedule.ends("first")
    training = crown(schedule, first, 1)
    second = schedule.opens("second", start="champion", seed=1)
    assert second.config.start_adapter == training
    assert second.start.start_queries == 8  # one iteration of 4 prompts, two pictures each
    crown(schedule, first, 2)
    assert schedule.opens("second", start="champion", seed=1).config.start_adapter == training


def test_without_a_champion_the_start_is_the_base(schedule: Schedule) -> None:
    assert schedule.opens("first", start="champion").config.start_adapter is None


@pytest.mark.parametrize(
    ("override", "trained", "goes_to"),
    [
        ("seed=0", 0, "trigger_first"),
        ("seed=0", 2, "wait_for_the_end"),  # both iterations are done
        ("stop.reward_queries=15", 1, "wait_for_the_end"),  # 8 a round: a second one would be 16
        ("guard.lifetime_queries=7", 0, "wait_for_the_end"),  # not one round fits below the cap
    ],
)
def test_a_campaign_that_may_not_go_on_triggers_nothing(
    schedule: Schedule, override: str, trained: int, goes_to: str
) -> None:
    state = schedule.opens("first", override)
    for k in range(trained):
        train(state.run, k)
    pushed = Pushed()
    assert retrain_tasks.begin.function(state.run.uri, pushed) == goes_to
    assert pushed == (
        {"conf": {"run": state.run.uri, "iteration": 0}, "run_id": "first-it-0000"}
        if not trained and goes_to == "trigger_first"
        else {}
    )
