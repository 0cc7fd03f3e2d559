"""What can go wrong in a step, and what the scheduler should do about it.

* StepError
  x BadRequest    64  the request or the config is wrong              -> never retried
  x BadData       65  an input is there but wrong (corrupt, foreign)  -> never retried
  x MissingInput  66  something upstream is not there                 -> never retried
  x Conflict      73  the output exists, made from another request    -> never retried
  x Unavailable   75  a service was busy or away, too many rewards missing  -> retried, with back-off

Every other exit code, a signal, or a lost pod is retried: nobody knows what happened, and a step is safe to repeat.
The numbers are those of BSD's sysexits.h.
"""

from __future__ import annotations

import re


class StepError(Exception):
    """An expected failure: one line that says what was wanted, and a hint that says what to do."""

    exit_code = 70
    retried = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class BadRequest(StepError):
    """The request, the config or an argument is wrong."""

    exit_code = 64


class BadData(StepError):
    """An input is there, but it is corrupt, or made by another policy, or not what its manifest says."""

    exit_code = 65


class MissingInput(StepError):
    """Something that an earlier step should have committed, or a base model, is not there."""

    exit_code = 66


class Conflict(StepError):
    """The output prefix is already committed, from another request."""

    exit_code = 73


class Unavailable(StepError):
    """A service was busy or away; trying again later may help."""

    exit_code = 75
    retried = True


FINAL_EXIT_CODES = frozenset({64, 65, 66, 73})
"""Exit codes after which a retry cannot help."""


def without_secrets(text: str) -> str:
    """A foreign message on one line, its URLs without a query (a signature may be in it) and without a user.

    >>> without_secrets("no answer from https://me:pass@host/key?X-Amz-Signature=5f" + chr(10) + "sorry")
    'no answer from https://host/key?... sorry'
    """
    return " ".join(re.sub(r"//[^/@\s]+@", "//", re.sub(r"\?[^\s'\")]+", "?...", text)).split())
