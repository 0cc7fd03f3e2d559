"""No password, key or token leaves in a log, whichever library wrote it into its message."""

from __future__ import annotations

import pytest

from components.core import deployment
from dags.pipeline import services
from dags.pipeline.redaction import redacted, redacted_traceback


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("postgresql+psycopg2://u:p@ss/w:rd@db:5432/x?sslmode=on", "postgresql+psycopg2://***@db:5432/x?sslmode=on"),
        (
            "https://me:secret@mlflow.example/api and http://plain/x",
            "https://***@mlflow.example/api and http://plain/x",
        ),
        ("Authorization: Bearer abcdefghijklmnop", "Authorization: Bearer ***"),
        ("connect(host='db', password='hunter2', user='me')", "connect(host='db', password='***', user='me')"),
        ("s3://bucket/prefix and file:///store", "s3://bucket/prefix and file:///store"),
        ("mailto:me@example.org at 10:30 @ home", "mailto:me@example.org at 10:30 @ home"),
    ],
)
def test_a_secret_is_taken_out_and_the_rest_stays(said: str, kept: str) -> None:
    assert redacted(said) == kept


def test_what_the_environment_calls_a_secret_is_one_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "certainly-not")
    assert redacted("signed with wJalrXUtnFEMI/K7MDENG, certainly-not") == "signed with ***, certainly-not"


def test_a_traceback_keeps_its_lines_and_loses_the_password() -> None:
    try:
        raise ConnectionError("no route to postgresql://ddpo:hunter2@db/mlflow")
    except ConnectionError as error:
        said = redacted_traceback(error)
    assert "hunter2@db" not in said
    assert "postgresql://***@db/mlflow" in said
    assert "test_redaction.py" in said


def test_no_password_stands_on_a_command_line_that_everybody_can_list() -> None:
    places = deployment.from_environment({"MLFLOW_TRACKING_URI": "postgresql://ddpo:hunter2@db/mlflow"})
    assert not [word for word in services._mlflow(places, 5000) if "hunter2" in word]
