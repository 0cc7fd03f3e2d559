"""A notification is a line in the log and a POST that a real server receives; it never fails anything."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG

from dags.pipeline import callbacks, notifications
from dags.pipeline.notifications import Notification

VERDICT = Notification(
    kind="verdict", run="cats", policy=12, text="the guard says warn: judge −18 %", links={"Report": "https://mlflow/r"}
)


class Receiver:
    """A webhook."""

    def __init__(self) -> None:
        self.status = 200
        self.received: list[tuple[str, str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((self.path, self.headers["Content-Type"], json.loads(body)))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook?token=tops3cret"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    monkeypatch.setenv("DDPO_NOTIFY_URL", receiver.url)
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def test_the_webhook_gets_the_whole_of_it_as_json(receiver: Receiver) -> None:
    assert notifications.send(VERDICT)
    assert receiver.received == [
        (
            "/hook?token=tops3cret",
            "application/json; charset=utf-8",
            {
                "kind": "verdict",
                "run": "cats",
                "policy": 12,
                "model": None,
                "text": "the guard says warn: judge −18 %",
                "links": {"Report": "https://mlflow/r"},
            },
        )
    ]


def test_without_a_webhook_it_is_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("DDPO_NOTIFY_URL", raising=False)
    with caplog.at_level(logging.INFO):
        assert not notifications.send(VERDICT)
    assert caplog.messages == ["notification: verdict: run cats, policy 12: the guard says warn: judge −18 %"]


def test_a_password_in_a_text_goes_nowhere(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        text = "cannot reach postgresql://ddpo:hunter2@db/mlflow"
        notifications.send(Notification(kind="failed", run="cats", text=text))
    assert receiver.received[0][2]["text"] == "cannot reach postgresql://***@db/mlflow"
    assert "hunter2" not in caplog.text


def test_a_webhook_that_refuses_fails_nothing_and_its_address_is_not_told(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 500
    assert not notifications.send(VERDICT)
    assert "did not reach 127.0.0.1: HTTP Error 500" in caplog.text
    assert "tops3cret" not in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "file:///etc/passwd", "no url at all", "http://[broken"])
def test_a_webhook_that_is_none_fails_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPO_NOTIFY_URL", url)
    assert not notifications.send(VERDICT)


def test_a_webhook_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DDPO_NOTIFY_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert not notifications.send(VERDICT)


def test_a_failed_dag_run_is_told_with_its_campaign(receiver: Receiver) -> None:
    dag_run = SimpleNamespace(run_id="cats-it-0007", conf={"run": "file:///store/runs/cats", "iteration": 7})
    context = {"dag": DAG("ddpo_iteration"), "dag_run": dag_run, "reason": "task_failure"}
    callbacks.FailureNotifier()(context)
    told = receiver.received[0][2]
    assert (told["kind"], told["run"]) == ("failed", "cats")
    assert told["text"] == "ddpo_iteration cats-it-0007 failed: task_failure"


def test_a_missed_deadline_is_told_from_the_triggerer(receiver: Receiver) -> None:
    context = {"dag_run": {"dag_id": "ddpo_retrain", "dag_run_id": "monday", "conf": {"run_id": "cats"}}}
    asyncio.run(callbacks.deadline_missed(6.0, context))
    told = receiver.received[0][2]
    assert (told["kind"], told["run"]) == ("deadline missed", "cats")
    assert told["text"] == "ddpo_retrain monday has not ended 6 h after it was queued; it goes on"
