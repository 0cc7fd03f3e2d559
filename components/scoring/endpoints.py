"""Where services are and by what token, from the environment. A message names the variable, never what it holds."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from components.core.errors import BadRequest


def token(variable: str) -> str | None:
    """The token that a variable holds; None where it is unset or blank.

    Files end in a newline, and so do the variables that are made of them: that is no part of a token. Raises BadRequest
    for what fits into no header: HTTP libraries would refuse it too, with the whole of it in their message.
    """
    found = os.environ.get(variable, "").strip()
    if not (found.isascii() and found.isprintable()):
        raise BadRequest(f"{variable} holds a character that no HTTP header may", hint="printable ASCII only")
    return found or None


def endpoint(url_variable: str, token_variable: str, label: str, *, hint: str) -> tuple[str, str | None]:
    """URL and token of a service. With a label both variables end in `_<label>`: one run may ask several services.

    Raises BadRequest, naming the variable. A URL with a user in it is refused: it would stand in logs.
    """
    suffix = f"_{label}" if label else ""
    name = url_variable + suffix
    url = os.environ.get(name, "")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:  # a port that is none, half an IPv6 address
        sound = False
    if not sound:
        problem = "is no http:// or https:// URL without a user" if url else "is not set"
        raise BadRequest(f"{name} {problem}", hint=hint)
    return url, token(token_variable + suffix)
