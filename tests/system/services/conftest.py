"""One machine for all of these tests: its start costs half a minute. Two runs of fake steps lie in its store already.

`fakes` is champion of ddpo-fakes, and `rival` was compared with it and passes every gate.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.dags.homes import Home
from tests.system.services.machines import Machine


class Webhook:
    """What the notifications came to."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *arguments: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"

    def of(self, kind: str, run: str | None = None) -> list[Any]:
        """Those of a kind, of one run where it is named: other tests leave theirs here too."""
        found = [notification for notification in self.received if notification["kind"] == kind]
        return [notification for notification in found if run is None or notification["run"] == run]


@pytest.fixture(scope="package")
def webhook() -> Iterator[Webhook]:
    webhook = Webhook()
    threading.Thread(target=webhook.server.serve_forever, daemon=True).start()
    yield webhook
    webhook.server.shutdown()


@pytest.fixture(scope="package")
def machine(tmp_path_factory: pytest.TempPathFactory, webhook: Webhook) -> Iterator[Machine]:
    directory = tmp_path_factory.mktemp("machine")
    home = Home(directory, FAKE_REGISTRY="1", MLFLOW_TRACKING_URI="")
    model = "registration.model=ddpo-fakes"  # theirs: the real base has no part in it
    _, said, _ = home.run("fakes", model, 'promotion.approval="automatic"', 'promotion.audit="off"')
    assert said.endswith("policy 2 is champion of ddpo-fakes, approved by automatic\n"), said
    assert home.run("rival", model, "seed=1")[0] == 0
    machine = Machine(
        directory,
        DDPO_NOTIFY_URL=webhook.url,
        DDPO_APPROVAL_HOURS="0.006",  # 22 s
        DDPO_DEADLINE_HOURS="0.001",  # 4 s: every campaign misses it
    )
    machine.up()
    yield machine
    machine.ddpo("down")
