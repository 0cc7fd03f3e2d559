"""What compose expects of its proxy before the engine's socket: requests that a rule allows pass, others are 403.

It reads the rules of compose's own file, written for wollomatic/socket-proxy: `-allowGET=<pattern of the path>`. One
request a connection: with `Connection: close` in each, so that none slips behind another unseen.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading

SOCKET = "/var/run/docker.sock"
RULES = {part[6:].partition("=")[0]: part.partition("=")[2] for part in sys.argv[1:] if re.match("-allow[A-Z]+=", part)}


def head_of(client: socket.socket) -> tuple[bytes, bytes]:
    """The request's head without its blank line, and what came after it."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = client.recv(65536)
        if not part:
            break
        received += part
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def allowed(head: bytes) -> bool:
    """Whether a rule matches method and path."""
    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
    return re.fullmatch(RULES.get(method, "(?!)"), target.partition("?")[0]) is not None


def relay(source: socket.socket, sink: socket.socket) -> None:
    """Bytes from one to the other, until either hangs up."""
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)


def serve(client: socket.socket) -> None:
    """One connection."""
    with client, socket.socket(socket.AF_UNIX) as engine:
        head, rest = head_of(client)
        if not head:
            return
        print(head.split(b"\r\n")[0].decode(), "passes" if allowed(head) else "IS REFUSED", flush=True)
        if not allowed(head):
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        if b"upgrade: tcp" not in head.lower():
            head = re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head) + b"\r\nConnection: close"
        engine.connect(SOCKET)
        engine.sendall(head + b"\r\n\r\n" + rest)
        threading.Thread(target=relay, args=(client, engine), daemon=True).start()
        relay(engine, client)


def main() -> None:
    """Listen where compose's proxy does."""
    with socket.create_server(("0.0.0.0", 2375)) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
