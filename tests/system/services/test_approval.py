"""Who decides on a champion, with the real scheduler: a person in the UI, or nobody, and then it is a rejection.

Likewise the wait for a campaign's end in the real triggerer, and its deadline. The runs are made of fake steps.
"""

from __future__ import annotations

from typing import Any

import pytest

from components.core import promotion
from components.core.promotion import Candidate
from tests.system.services.conftest import Webhook
from tests.system.services.machines import Machine

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.airflow, pytest.mark.timeout(900)]


def champions(machine: Machine) -> list[tuple[str, str]]:
    log = promotion.read_log((machine.home / "store").as_uri(), "ddpo-fakes")
    return [(entry.policy_id, entry.by) for entry in log]


def asks(machine: Machine, run_id: str) -> Any:
    """Trigger the promotion of `rival` and wait until a person is asked; what is shown to them."""
    machine.trigger("ddpo_promote", run_id, {"run": "rival"})
    parked = "awaiting_input"
    machine.wait_for(lambda: machine.task_states("ddpo_promote", run_id)["approve"] == parked, "the question", 200)
    return machine.get(f"dags/ddpo_promote/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails")


def test_silence_rejects_and_ends_green(machine: Machine, webhook: Webhook) -> None:
    before = champions(machine)
    question = asks(machine, "silent")
    assert question["subject"] == "Policy 2 of rival as champion of ddpo-fakes?"
    assert "| held-out gain | pass |" in question["body"]
    assert "Champion now: policy 2 of fakes." in question["body"]
    assert "[Report](http" in question["body"]
    assert question["defaults"] == ["Reject"]
    assert machine.ended("ddpo_promote", "silent", 120) == "success"
    states = machine.task_states("ddpo_promote", "silent")
    assert (states["approve"], states["promote"], states["aliases"]) == ("success", "skipped", "skipped")
    assert champions(machine) == before
    wanted = webhook.of("approval wanted", "rival")[0]
    assert "required_actions" in wanted["links"]["Approve or reject"]
    (rejected,) = webhook.of("rejected", "rival")
    assert (rejected["run"], rejected["policy"]) == ("rival", 2)
    assert rejected["text"].startswith("nobody answered in ")


def approve(machine: Machine, run_id: str) -> None:
    """What the button does."""
    place = f"dags/ddpo_promote/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
    machine.get(place, {"chosen_options": ["Approve"], "params_input": {}}, "PATCH")


def test_an_approval_after_a_newer_champion_is_refused_in_red(machine: Machine, webhook: Webhook) -> None:
    """While the question waits, `fakes` is rolled back and promoted again: the log is not the one that was judged."""
    asks(machine, "late")
    store = (machine.home / "store").as_uri()
    fakes = promotion.champion(store, "ddpo-fakes")
    assert fakes is not None
    back = promotion.rollback(store, "ddpo-fakes", by="me", reason="meanwhile")
    again = Candidate(**fakes.model_dump(include=set(Candidate.model_fields)))
    promotion.promote(store, "ddpo-fakes", again, expected=back.number + 1, by="me", reason="meanwhile")
    approve(machine, "late")
    assert machine.ended("ddpo_promote", "late", 200) == "failed"
    states = machine.task_states("ddpo_promote", "late")
    assert (states["approve"], states["promote"], states["aliases"]) == ("success", "failed", "upstream_failed")
    assert champions(machine)[-1] == ("fakes-policy-2", "me")
    log = machine.get("dags/ddpo_promote/dagRuns/late/taskInstances/promote/logs/1?full_content=true")
    assert "has another champion since" in str(log)

    def told() -> list[str]:
        return [one["text"] for one in webhook.of("failed") if one["text"].startswith("ddpo_promote late failed")]

    machine.wait_for(lambda: bool(told()), "the notification of the failure", 60)


def test_a_person_approves_and_stands_in_the_log(machine: Machine, webhook: Webhook) -> None:
    asks(machine, "approved")
    approve(machine, "approved")
    assert machine.ended("ddpo_promote", "approved", 200) == "success"
    policy, by = champions(machine)[-1]
    assert policy == "rival-policy-2"
    assert by not in ("", "unknown", "automatic")
    assert webhook.of("promoted")[-1]["text"] == f"champion of ddpo-fakes, entry 4, approved by {by}"
    events = machine.get("assets/events")["asset_events"]
    assert [event["extra"]["policy_id"] for event in events if "champion/ddpo-fakes" in event["uri"]][-1] == policy


def test_the_wait_ends_in_the_triggerer_and_a_missed_deadline_is_told(machine: Machine, webhook: Webhook) -> None:
    """The campaign is over, so its steps find all done; that still takes longer than its deadline of 4 s."""
    machine.trigger("ddpo_retrain", "again", {"preset": None, "run_id": "rival"})
    assert machine.ended("ddpo_retrain", "again", 300) == "success"
    outcome = machine.get("dags/ddpo_retrain/dagRuns/again/taskInstances/wait_for_the_end/xcomEntries/return_value")
    assert outcome["value"].startswith("run rival: all 2 iterations done; best policy 2; policy 2: the guard says pass")
    machine.wait_for(lambda: bool(webhook.of("deadline missed", "rival")), "the deadline's notification", 60)
