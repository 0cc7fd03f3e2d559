"""Tell people what happened: a line in the log, always, and a JSON POST to DDPO_NOTIFY_URL where that is set.

    {"kind": "verdict", "run": "cats", "policy": 12, "model": "ddpo-tiny",
     "text": "the guard warns: judge fell by 18 %", "links": {"Report": "https://..."}}

The receiver is whatever takes a JSON body: an alert manager, a chat's webhook behind a small adapter. A notification
never fails what it speaks of, and holds no secret.
"""

from __future__ import annotations

import json
import logging
import os
import urllib.request
from typing import Literal
from urllib.parse import urlsplit

from components.core.config import Contract
from dags.pipeline.redaction import redacted

log = logging.getLogger(__name__)

URL_VARIABLE = "DDPO_NOTIFY_URL"
TIMEOUT_SECONDS = 10.0

Kind = Literal[
    "verdict",
    "finished",
    "failed",
    "deadline missed",
    "approval wanted",
    "refused",
    "rejected",
    "promoted",
    "rolled back",
]


class Notification(Contract):
    """One thing that somebody should know."""

    kind: Kind
    run: str
    """Id of the run; of a rollback, the run whose policy is champion again."""
    policy: int | None = None
    """Its number in the run."""
    model: str | None = None
    """Registered model, where it is about one."""
    text: str
    """A sentence or two."""
    links: dict[str, str] = {}
    """What to look at: name -> URL."""


def send(notification: Notification) -> bool:
    """Say it. Never raises; True where a webhook took it."""
    notification = notification.model_copy(update={"text": redacted(notification.text)})
    policy = f", policy {notification.policy}" if notification.policy is not None else ""
    log.info("notification: %s: run %s%s: %s", notification.kind, notification.run, policy, notification.text)
    url = os.environ.get(URL_VARIABLE)
    if not url:
        return False
    try:
        _post(url, notification)
    except Exception as error:
        log.warning("the notification did not reach %s: %s", _host(url), redacted(str(error)))
        return False
    return True


def _host(url: str) -> str:
    """What may be told of a webhook: its path is often its password."""
    try:
        return urlsplit(url).hostname or "no host"
    except ValueError:
        return "no host"


def _post(url: str, notification: Notification) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"{URL_VARIABLE} must be an http:// or https:// URL")
    body = json.dumps(notification.model_dump(mode="json"), ensure_ascii=False).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json; charset=utf-8"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
        pass
