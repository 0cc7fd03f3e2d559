"""An S3 service that misbehaves on demand, over real HTTP: what moto cannot be asked to do."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOST = -1
"""A put that is stored, and whose answer never arrives."""


class S3Double(ThreadingHTTPServer):
    """Objects in memory. `put_answers` are given to the next puts instead of doing them."""

    daemon_threads = True

    def __init__(self, *, conditional: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.conditional = conditional
        """False: If-None-Match is ignored, as rclone serve s3 and s3rver do."""
        self.denied = ""
        """Code with which everything is answered 403."""
        self.put_answers: deque[int] = deque()
        self.torn_gets = 0
        """How many of the next gets end in the middle of the body."""
        self.objects: dict[str, tuple[bytes, Message]] = {}
        """Path -> body and the headers it was put with."""
        self.puts = 0

    @property
    def url(self) -> str:
        """Endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(double: S3Double) -> Iterator[S3Double]:
    """Serve in the background."""
    thread = threading.Thread(target=double.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        double.shutdown()
        double.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Double

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.puts += 1
        exists = self.path in self.server.objects
        if self.server.denied:
            return self._answer(403, code=self.server.denied)
        answer = self.server.put_answers.popleft() if self.server.put_answers else 200
        if answer not in (200, LOST):
            return self._answer(answer, code={409: "ConditionalRequestConflict"}.get(answer, "InternalError"))
        if exists and self.server.conditional and self.headers.get("If-None-Match") == "*":
            return self._answer(412, code="PreconditionFailed")
        self.server.objects[self.path] = (body, self.headers)
        if answer == LOST:
            self.close_connection = True
            return None
        return self._answer(200)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if self.server.denied:
            return self._answer(403, code=self.server.denied)
        if "list-type=2" in url.query:
            return self._list(f"{url.path}/", parse_qs(url.query)["prefix"][0])
        if url.path not in self.server.objects:
            return self._answer(404, code="NoSuchKey")
        body = self.server.objects[url.path][0]
        if self.server.torn_gets:
            self.server.torn_gets -= 1
            return self._answer(200, body, torn=True)
        return self._answer(200, body)

    def do_HEAD(self) -> None:
        body, headers = self.server.objects[urlsplit(self.path).path]
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-meta-ddpo-writer", headers["x-amz-meta-ddpo-writer"])
        self.end_headers()

    def _list(self, bucket: str, prefix: str) -> None:
        keys = [key.removeprefix(bucket) for key in self.server.objects if key.startswith(bucket + prefix)]
        items = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
        self._answer(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>".encode())

    def _answer(self, status: int, body: bytes = b"", *, code: str = "", torn: bool = False) -> None:
        if code:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if torn else body)
        self.close_connection = self.close_connection or torn

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
