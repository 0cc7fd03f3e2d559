"""Tokens of services, from the environment. A message names the variable, and never what it holds."""

from __future__ import annotations

import os

from components.core.errors import BadRequest


def from_environment(variable: str) -> str | None:
    """The token that a variable holds; None where it is unset or blank.

    Files end in a newline, and so do the variables that are made of them: that is no part of a token. Raises BadRequest
    for what fits into no header: HTTP libraries would refuse it too, with the whole of it in their message.
    """
    token = os.environ.get(variable, "").strip()
    if not (token.isascii() and token.isprintable()):
        raise BadRequest(f"{variable} holds a character that no HTTP header may", hint="printable ASCII only")
    return token or None
