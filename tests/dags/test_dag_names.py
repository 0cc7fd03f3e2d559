"""Two stores under one Airflow may have runs of one name: neither locks out nor ends the other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core import deployment
from components.core.errors import Conflict
from components.core.layout import RunLayout
from dags.pipeline import airflow_home, locks
from dags.pipeline.dag_names import campaign_name, iteration_run_id, promotion_run_id

OURS, THEIRS = RunLayout("file:///ours/runs/cats"), RunLayout("s3://theirs/ddpo/runs/cats")


def test_runs_of_the_own_store_keep_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPO_AIRFLOW_STORE", "file:///ours")
    assert iteration_run_id(OURS, 7) == "cats-it-0007"
    assert promotion_run_id(OURS, 12) == "cats-promote-0012"


def test_runs_of_another_store_carry_its_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """sha256 of `s3://theirs/ddpo` begins with 93e0cadc."""
    monkeypatch.setenv("DDPO_AIRFLOW_STORE", "file:///ours")
    assert iteration_run_id(THEIRS, 7) == "cats-93e0cadc-it-0007"


def test_without_an_airflow_of_its_own_the_deployments_store_is_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDPO_AIRFLOW_STORE", raising=False)
    monkeypatch.setenv("DDPO_STORE", "s3://theirs/ddpo")
    assert campaign_name(THEIRS) == "cats"
    assert campaign_name(OURS).startswith("cats-")


def test_an_airflow_remembers_the_first_store_that_it_served(tmp_path: Path) -> None:
    first = deployment.from_environment({"DDPO_HOME": str(tmp_path), "DDPO_STORE": "s3://first/x"})
    first.airflow_home.mkdir(parents=True)
    other = deployment.from_environment({"DDPO_HOME": str(tmp_path), "DDPO_STORE": "s3://second/x"})
    assert airflow_home.own_store(first) == "s3://first/x"
    assert airflow_home.settings(other)["DDPO_AIRFLOW_STORE"] == "s3://first/x"
    assert airflow_home.settings(other)["DDPO_STORE"] == "s3://second/x"


def test_a_lock_is_a_runs_of_one_store(tmp_path: Path) -> None:
    places = deployment.from_environment({"DDPO_HOME": str(tmp_path)})
    with locks.alone(OURS, places):
        assert locks.held(OURS, places)
        assert not locks.held(THEIRS, places)
        with locks.alone(THEIRS, places):
            assert locks.held_runs(places) == ["cats", "cats"]
        with pytest.raises(Conflict, match="run cats is being driven"), locks.alone(OURS, places):
            pass
