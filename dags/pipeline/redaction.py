"""Take passwords and keys out of what libraries say, before it is written anywhere.

Our own messages hold none. A traceback of SQLAlchemy, MLflow or boto3 may quote a whole URI, or a header.
"""

from __future__ import annotations

import os
import re
import traceback

USERINFO = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s'\"]*:[^\s'\"]*@(?=[^\s])")
"""`user:password@` of a URI, up to its last @: a password may hold anything. Too much is taken, never less."""
NAMED = re.compile(
    r"(?P<name>(?:password|passwd|secret(?:_access)?_key|session_token|access_token|api_key|token)['\"]?\s*[=:]\s*['\"]?)"
    r"[^\s'\",&;)]+",
    re.IGNORECASE,
)
"""`password=...`, `aws_secret_access_key: "..."`, in a URI's query or a printed dict."""
BEARER = re.compile(r"\b(?P<name>Bearer|Basic) [A-Za-z0-9+/._~=-]{8,}")
SECRET_VARIABLES = re.compile(r"(PASSWORD|SECRET|TOKEN(?!IZ)|FERNET_KEY|DDPO_NOTIFY_URL)")
SHORTEST_SECRET = 6
"""A value below this many characters is not looked for: it would blank out ordinary words."""


def redacted(text: str) -> str:
    """The same text with *** for each secret.

    >>> redacted("cannot connect to postgresql://ddpo:hunter2@db:5432/mlflow")
    'cannot connect to postgresql://***@db:5432/mlflow'
    >>> redacted("{'aws_secret_access_key': 'wJalrXUtnFEMI', 'region': 'eu-west-1'}")
    "{'aws_secret_access_key': '***', 'region': 'eu-west-1'}"
    """
    for value in _secrets_of_the_environment():
        text = text.replace(value, "***")
    text = USERINFO.sub(r"\g<scheme>***@", text)
    text = NAMED.sub(r"\g<name>***", text)
    return BEARER.sub(r"\g<name> ***", text)


def redacted_traceback(error: BaseException) -> str:
    """An error's traceback, fit for a log."""
    return redacted("".join(traceback.format_exception(error)))


def _secrets_of_the_environment() -> list[str]:
    """Values of variables that are secret by their name, longest first: one may hold another."""
    values = {value for name, value in os.environ.items() if SECRET_VARIABLES.search(name.upper())}
    return sorted((value for value in values if len(value) >= SHORTEST_SECRET), key=len, reverse=True)
