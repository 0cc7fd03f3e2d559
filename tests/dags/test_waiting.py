"""When a wait for a campaign ends, and when a loop counts as dead."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from components.core import campaign, opening
from components.core.layout import RunLayout
from dags.pipeline import presets, waiting
from dags.pipeline.waiting import CampaignTrigger, Seen, WaitForTheEnd, Watch
from tests.dags.fake_steps import base_model


def judged(*looks: tuple[float, Seen]) -> list[str | None]:
    watch = Watch(patience=600)
    return [watch.judge(seen, now) for now, seen in looks]


def seen(iterations: int, *, finished: bool = False, active: int = 0, failed: int = 0) -> Seen:
    return Seen(iterations=iterations, finished=finished, active=active, failed=failed)


def test_a_quiet_loop_is_dead_after_its_patience_and_not_before() -> None:
    """Quiet from second 100 on; 600 seconds of it end at 700."""
    assert judged((100, seen(3)), (400, seen(3)), (699, seen(3)), (700, seen(3))) == [None, None, None, "dead"]


def test_an_iteration_that_runs_or_comes_starts_the_patience_again() -> None:
    looks = ((0, seen(3)), (500, seen(3, active=1)), (1000, seen(3)), (1050, seen(4)), (1600, seen(4)), (1650, seen(4)))
    assert judged(*looks) == [None, None, None, None, None, "dead"]


def test_the_end_waits_for_the_last_iteration_to_be_over() -> None:
    """Its last tasks register the policy: their failure is the campaign's."""
    assert judged((0, seen(5, finished=True, active=1)), (20, seen(5, finished=True))) == [None, "ended"]


def test_a_failed_iteration_ends_the_wait_whatever_else_is_so() -> None:
    assert judged((0, seen(5, finished=True, failed=1))) == ["failed"]


@pytest.fixture
def opened(file_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunLayout:
    monkeypatch.setenv("DDPO_STORE", file_store)
    config = presets.resolve("smoke", [f"base.model={base_model(tmp_path / 'base')}"])
    return opening.open_run(file_store, "cats", config)


def events(trigger: CampaignTrigger) -> list[Any]:
    async def collect() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    return asyncio.run(collect())


def test_the_trigger_fires_once_with_what_it_saw(monkeypatch: pytest.MonkeyPatch, opened: RunLayout) -> None:
    looks = iter([seen(1, active=1), seen(2, finished=True, active=1), seen(2, finished=True)])

    async def look(state: campaign.Campaign) -> Seen:
        assert state.run.uri == opened.uri
        return next(looks)

    monkeypatch.setattr(waiting, "look", look)
    assert events(CampaignTrigger(opened.uri, patience=600, poll_seconds=0.01)) == [{"event": "ended"}]


def test_a_run_that_is_gone_ends_the_wait_with_its_line(file_store: str) -> None:
    ((event),) = events(CampaignTrigger(f"{file_store}/runs/gone", patience=600, poll_seconds=0.01))
    assert (event["event"], event["code"]) == ("error", 66)
    assert event["message"].startswith("no run at ")


def test_a_trigger_is_made_again_from_what_it_says_of_itself() -> None:
    path, arguments = CampaignTrigger("file:///s/runs/cats", patience=60.0).serialize()
    assert path == "dags.pipeline.waiting.CampaignTrigger"
    assert CampaignTrigger(**arguments).serialize() == (path, arguments)


def test_the_task_hands_over_at_once_and_ends_as_the_campaign_does(opened: RunLayout) -> None:
    task = WaitForTheEnd(task_id="wait", run=opened.uri)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute({})
    assert deferred.value.method_name == "ended"
    said = task.ended({}, {"event": "ended"})
    assert said.startswith("run cats: iteration 0 of 2; ")
    with pytest.raises(AirflowFailException, match="look at cats-it-0000"):
        task.ended({}, {"event": "failed"})
    with pytest.raises(AirflowFailException, match=r"the loop of cats is dead: iteration 0 of 2"):
        task.ended({}, {"event": "dead"})
    with pytest.raises(AirflowFailException, match=r"^it is gone$"):
        task.ended({}, {"event": "error", "code": 66, "message": "it is gone"})
