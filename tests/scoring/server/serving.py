"""The real reward server on a free port, and one that answers as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn

from components.core.config import RewardConfig
from components.scoring.scorer import Scorer, load_scorers
from components.scoring.server.app import make_app
from components.scoring.server.protocol import Limits


def scorer(name: str, **options: Any) -> Scorer:
    return load_scorers([RewardConfig(name=name, options=options)])[0]


@contextmanager
def serving(served: Scorer, *, token: str | None = None, limits: Limits | None = None) -> Iterator[str]:
    """URL of the real server, in a thread."""
    config = uvicorn.Config(make_app(served, token=token, limits=limits), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


Reply = tuple[int, bytes] | Callable[[dict[str, Any]], Any]
"""A status and a body; or what makes of a request the JSON that is answered with status 200."""


class Told:
    """A server that gives `replies` to what it is asked to score, one after the other, the last one for ever."""

    def __init__(self, *replies: Reply, scorer_id: str = "aesthetic@1") -> None:
        self.replies = list(replies)
        self.scorer_id = scorer_id
        self.asked: list[dict[str, Any]] = []

    def identity(self) -> dict[str, Any]:
        return {"version": 1, "name": "aesthetic", "scorer_id": self.scorer_id, "limits": {"pictures": 4}}

    @contextmanager
    def serving(self) -> Iterator[str]:
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(200, json.dumps(told.identity()).encode())

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply = told.replies[min(len(told.asked), len(told.replies) - 1)]
                told.asked.append(asked)
                status, body = reply if isinstance(reply, tuple) else (200, json.dumps(reply(asked)).encode())
                self._answer(status, body)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


def answer(asked: dict[str, Any], rewards: list[Any] | None = None, scorer_id: str = "aesthetic@1") -> dict[str, Any]:
    """A right answer: picture i gets rewards[i], or i + 0.5."""
    scores = [
        {
            "sample_id": f"{one['prompt']['prompt_id']}-{one['prompt']['index']:03d}",
            "picture_sha256": one["picture_sha256"],
            "reward": rewards[i] if rewards is not None else i + 0.5,
        }
        for i, one in enumerate(asked["pictures"])
    ]
    return {"version": 1, "scorer_id": scorer_id, "scores": scores}
