"""Where things are: the environment says, the defaults are on this machine, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.deployment import default_home, from_environment
from components.core.errors import BadRequest


def test_without_an_environment_everything_is_in_the_home() -> None:
    places = from_environment({})
    assert places.home == default_home()
    assert places.store == (places.home / "store").as_uri()
    assert places.tracking_uri == f"sqlite:///{places.home}/mlflow/mlflow.db"


def test_the_home_moves_what_is_not_said(tmp_path: Path) -> None:
    places = from_environment({"DDPO_HOME": str(tmp_path), "DDPO_STORE": "s3://bucket/ddpo/"})
    assert places.store == "s3://bucket/ddpo"
    assert str(tmp_path) in places.tracking_uri


def test_a_child_process_finds_the_same_places(tmp_path: Path) -> None:
    places = from_environment({"DDPO_HOME": str(tmp_path)}, store="s3://bucket")
    assert from_environment(places.environment()) == places


@pytest.mark.parametrize(
    ("variable", "value", "line"),
    [
        ("DDPO_STORE", "/tmp/store", "must be an s3:// or file:// URI"),
        ("DDPO_STORE", "file://store", "three slashes"),
        ("DDPO_STORE", "s3://", "s3://bucket/prefix"),
        ("MLFLOW_TRACKING_URI", "./mlruns", "must be http"),
        ("MLFLOW_TRACKING_URI", "file:///mlruns", "must be http"),
    ],
)
def test_a_wrong_place_is_named(variable: str, value: str, line: str) -> None:
    with pytest.raises(BadRequest, match=variable) as caught:
        from_environment({variable: value})
    assert line in str(caught.value)


@pytest.mark.parametrize("uri", ["http://mlflow:5000", "postgresql+psycopg2://u@db/mlflow", "sqlite:////var/mlflow.db"])
def test_servers_and_databases_track(uri: str) -> None:
    assert from_environment({"MLFLOW_TRACKING_URI": uri}).tracking_uri == uri
