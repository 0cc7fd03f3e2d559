"""A chat service over real HTTP, on a free port: it answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

MODEL = "llava-hf/llava-1.5-7b-hf"


@dataclass(frozen=True)
class Reply:
    """What a service sends back, as it stands."""

    body: bytes
    status: int = 200
    after_s: float = 0.0
    location: str = ""


@dataclass(frozen=True)
class Question:
    """What it was asked."""

    picture: Image.Image
    text: str
    sent: dict[str, Any]
    authorization: str | None


Behaviour = Callable[[Question, int], Reply]
"""The question, and how many were asked before it."""


def says(text: str | None, **reply: Any) -> Reply:
    """A chat completion."""
    message = {"role": "assistant", "content": text}
    return Reply(
        json.dumps({"object": "chat.completion", "choices": [{"index": 0, "message": message}]}).encode(), **reply
    )


class ChatDouble(ThreadingHTTPServer):
    """Serves one model. The entry in /models holds random ids and times, as vLLM's does."""

    daemon_threads = True

    def __init__(self, behaviour: Behaviour, *, token: str | None = None, models: Reply | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour, self.token, self.models = behaviour, token, models
        self.asked: list[Question] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Base, with its version."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: ChatDouble

    def do_GET(self) -> None:
        entry = {
            "id": MODEL,
            "root": MODEL,
            "owned_by": "vllm",
            "created": time.time(),
            "permission": [uuid.uuid4().hex],
        }
        self._send(self.server.models or Reply(json.dumps({"object": "list", "data": [entry]}).encode()))

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        image, text = sent["messages"][0]["content"]
        encoded = image["image_url"]["url"].removeprefix("data:image/png;base64,")
        picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
        question = Question(picture, text["text"], sent, self.headers.get("Authorization"))
        with self.server.lock:
            before = len(self.server.asked)
            self.server.asked.append(question)
        self._send(self.server.behaviour(question, before) if self.path == "/v1/chat/completions" else Reply(b"", 404))

    def _send(self, reply: Reply) -> None:
        if self.server.token is not None and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            reply = Reply(b'{"error": "who are you?"}', 401)
        time.sleep(reply.after_s)
        self.send_response(reply.status)
        if reply.location:
            self.send_header("Location", reply.location)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextmanager
def served(behaviour: Behaviour, **options: Any) -> Iterator[ChatDouble]:
    """A service until the end of the block."""
    double = ChatDouble(behaviour, **options)
    thread = threading.Thread(target=double.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.shutdown()
        double.server_close()
        thread.join()
