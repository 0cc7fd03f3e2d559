"""MLflow's aliases and tags say what the log of champions says, whenever it is asked, and nothing else."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from components.core import promotion, tracking
from components.core.errors import MissingInput, Unavailable
from components.core.promotion import Candidate
from tests.core.mlflow_database import new_database, rows

MODEL = "ddpo-tiny"
REGISTRATION = "file:///store/runs/cats/registrations/{:04d}"
POLICIES = ("base", "one", "two", "three")
"""Registered in this order: policy i is version i + 1."""


@pytest.fixture
def mlflow(tmp_path: Path) -> str:
    """A registry with a version for each policy; `three` was registered last."""
    uri = new_database(tmp_path / "mlflow")
    with tracking.connect(uri) as client:
        client.create_registered_model(MODEL)
        for name in POLICIES:
            client.create_model_version(MODEL, f"file:///artifacts/{name}", tags={"ddpo.policy_id": name})
        client.set_registered_model_alias(MODEL, "challenger", "4")
    return uri


def promote(store: str, name: str, *, reason: str = "better") -> promotion.Promotion:
    policy = POLICIES.index(name) if name in POLICIES else 9
    candidate = Candidate(
        policy_id=name, base_id="sha256:base", run="file:///store/runs/cats", policy=policy, training=None,
        registration=REGISTRATION.format(policy),
    )  # fmt: skip
    expected = len(promotion.read_log(store, MODEL))
    return promotion.promote(store, MODEL, candidate, expected=expected, by="ann", reason=reason)


def rollback(store: str) -> None:
    promotion.rollback(store, MODEL, by="bob", reason="it draws grey")


def aliases(uri: str) -> dict[str, str]:
    with tracking.connect(uri) as client:
        return {name: str(version) for name, version in client.get_registered_model(MODEL).aliases.items()}


def tags(uri: str, version: int) -> dict[str, str]:
    with tracking.connect(uri) as client:
        return client.get_model_version(MODEL, str(version)).tags


def test_champion_and_previous_follow_the_log(file_store, mlflow):
    promote(file_store, "base")
    summary = tracking.project_aliases(file_store, MODEL, mlflow)
    assert (summary.champion, summary.champion_version, summary.previous, summary.entries) == ("base", "1", None, 1)
    assert aliases(mlflow) == {"champion": "1", "challenger": "4"}

    promote(file_store, "one")
    promote(file_store, "two")
    summary = tracking.project_aliases(file_store, MODEL, mlflow)
    assert (summary.champion_version, summary.previous, summary.previous_version) == ("3", "one", "2")
    assert aliases(mlflow) == {"champion": "3", "previous": "2", "challenger": "4"}


def test_after_a_rollback_to_the_first_there_is_no_previous(file_store, mlflow):
    for name in ("base", "one"):
        promote(file_store, name)
    tracking.project_aliases(file_store, MODEL, mlflow)
    rollback(file_store)
    tracking.project_aliases(file_store, MODEL, mlflow)
    assert aliases(mlflow) == {"champion": "1", "challenger": "4"}


def test_a_version_says_when_it_became_champion_and_by_whom(file_store, mlflow):
    promote(file_store, "base")
    entry = promote(file_store, "one", reason="+0.4 sd")
    rollback(file_store)
    tracking.project_aliases(file_store, MODEL, mlflow)
    assert tags(mlflow, 2) == {
        "ddpo.policy_id": "one",
        "ddpo.promoted": entry.at.isoformat(timespec="seconds"),
        "ddpo.promoted.entry": "1",
        "ddpo.promoted.by": "ann",
        "ddpo.promoted.reason": "+0.4 sd",
        "ddpo.rolled_back": "entry 2, by bob: it draws grey",
    }
    assert tags(mlflow, 1)["ddpo.promoted.entry"] == "0"  # it came back, and nobody took it down
    assert "ddpo.rolled_back" not in tags(mlflow, 1)
    assert tags(mlflow, 3) == {"ddpo.policy_id": "two"}


def test_a_policy_promoted_again_is_no_longer_rolled_back(file_store, mlflow):
    for name in ("base", "one"):
        promote(file_store, name)
    rollback(file_store)
    tracking.project_aliases(file_store, MODEL, mlflow)
    promote(file_store, "one", reason="it was the lamp")
    tracking.project_aliases(file_store, MODEL, mlflow)
    shown = tags(mlflow, 2)
    assert (shown["ddpo.promoted.entry"], shown["ddpo.promoted.reason"]) == ("3", "it was the lamp")
    assert "ddpo.rolled_back" not in shown


def test_the_challenger_that_is_promoted_challenges_no_more(file_store, mlflow):
    promote(file_store, "base")
    promote(file_store, "three")
    tracking.project_aliases(file_store, MODEL, mlflow)
    assert aliases(mlflow) == {"champion": "4", "previous": "1"}


def test_again_changes_nothing_and_what_others_changed_is_repaired(file_store, mlflow):
    for name in ("base", "one"):
        promote(file_store, name)
    tables = ("registered_model_aliases", "model_version_tags", "model_versions")

    def everything() -> list:
        return [sorted(rows(mlflow, f"select * from {table}"), key=repr) for table in tables]

    tracking.project_aliases(file_store, MODEL, mlflow)
    before = everything()
    tracking.project_aliases(file_store, MODEL, mlflow)
    assert everything() == before
    with tracking.connect(mlflow) as client:
        client.set_registered_model_alias(MODEL, "champion", "3")
        client.delete_registered_model_alias(MODEL, "previous")
        client.set_model_version_tag(MODEL, "2", "ddpo.promoted.by", "mallory")
    tracking.project_aliases(file_store, MODEL, mlflow)
    assert everything() == before


def test_an_empty_log_has_no_champion_whatever_somebody_set(file_store, mlflow):
    with tracking.connect(mlflow) as client:
        client.set_registered_model_alias(MODEL, "champion", "3")
    summary = tracking.project_aliases(file_store, MODEL, mlflow)
    assert (summary.champion, summary.entries) == (None, 0)
    assert aliases(mlflow) == {"challenger": "4"}


def test_a_model_that_mlflow_has_never_heard_of(file_store, mlflow):
    assert tracking.project_aliases(file_store, "another-model", mlflow).champion is None


def test_a_champion_without_a_version_names_the_registration_to_repeat(file_store, mlflow):
    """Its alias must not stay on the one before: that would be a lie."""
    promote(file_store, "base")
    tracking.project_aliases(file_store, MODEL, mlflow)
    promote(file_store, "lost")
    with pytest.raises(MissingInput) as caught:
        tracking.project_aliases(file_store, MODEL, mlflow)
    assert "the champion of ddpo-tiny, policy lost (entry 1), has no version in MLflow" in str(caught.value)
    assert f"python -m components.registration.again --registration {REGISTRATION.format(9)}" in str(caught.value)
    assert aliases(mlflow) == {"previous": "1", "challenger": "4"}


def test_an_old_champion_without_a_version_stops_nothing(file_store, mlflow):
    for name in ("lost", "base", "one"):
        promote(file_store, name)
    assert tracking.project_aliases(file_store, MODEL, mlflow).missing == ("lost",)
    assert aliases(mlflow) == {"champion": "2", "previous": "1", "challenger": "4"}


def test_mlflow_that_is_away_costs_seconds(file_store):
    promote(file_store, "base")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(Unavailable):
        tracking.project_aliases(file_store, MODEL, f"http://127.0.0.1:{port}")
    assert time.monotonic() - started < 15
