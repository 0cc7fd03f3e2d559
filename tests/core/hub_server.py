"""A hub of models on this machine, for the real huggingface_hub: the four requests that a download is made of."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = ".safetensors"
"""What the hub keeps in LFS, and so knows the sha256 of."""


@contextlib.contextmanager
def hub(model: str, commit: str, files: dict[str, bytes], card: dict[str, Any]) -> Iterator[str]:
    """Serve one repository at one commit, which is `main`; its address is the HF_ENDPOINT of a client."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            if path in (f"/api/models/{model}", *(f"/api/models/{model}/revision/{name}" for name in ("main", commit))):
                self._send(_described(model, commit, files, card), body)
            elif path == f"/api/models/{model}/tree/{commit}":
                self._send([_entry(name, data) for name, data in files.items()], body)
            elif (found := re.fullmatch(rf"/{model}/resolve/{commit}/(.+)", path)) and found[1] in files:
                data = files[found[1]]
                self._send(data, body, {"ETag": f'"{_name_of(found[1], data)}"', "X-Repo-Commit": commit})
            else:
                self._send({"error": "not found"}, body, {"X-Error-Code": "RepoNotFound"}, status=404)

        def _send(self, content: Any, body: bool, headers: dict[str, str] | None = None, status: int = 200) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _described(model: str, commit: str, files: dict[str, bytes], card: dict[str, Any]) -> dict[str, Any]:
    siblings = []
    for name, data in files.items():
        sibling: dict[str, Any] = {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
        if name.endswith(LARGE):
            sibling["lfs"] = {"sha256": _name_of(name, data), "size": len(data), "pointerSize": 134}
        siblings.append(sibling)
    return {"id": model, "modelId": model, "sha": commit, "cardData": card, "siblings": siblings, "private": False}


def _entry(name: str, data: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
    if name.endswith(LARGE):
        entry["lfs"] = {"oid": _name_of(name, data), "size": len(data), "pointerSize": 134}
    return entry


def _name_of(path: str, data: bytes) -> str:
    return (hashlib.sha256 if path.endswith(LARGE) else hashlib.sha1)(data).hexdigest()
