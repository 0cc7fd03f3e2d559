"""From a step's exit code, or its error, to what Airflow should do: fail at once, or try again.

Task state after      64 65 66 73                      failed: a retry cannot help
                      75                               up for retry, with back-off
                      any other code, or a signal      up for retry: a step is safe to repeat
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from components.core.errors import FINAL_EXIT_CODES, StepError


def failure(exit_code: int, message: str) -> AirflowException:
    """The exception to raise for a step that ended with this code."""
    if exit_code in FINAL_EXIT_CODES:
        return AirflowFailException(message)
    return AirflowException(message)


def meaning(exit_code: int) -> str:
    """A code as a person would say it.

    >>> meaning(75), meaning(-9), meaning(143)
    ('exit 75', 'killed by SIGKILL', 'killed by SIGTERM')
    """
    number = -exit_code if exit_code < 0 else exit_code - 128
    try:
        return f"killed by {signal.Signals(number).name}"
    except ValueError:
        return f"exit {exit_code}"


@contextmanager
def scheduled_errors() -> Iterator[None]:
    """Inside, an expected error becomes its own one line, and is retried only if that can help."""
    try:
        yield
    except StepError as error:
        raise failure(error.exit_code, str(error)) from error
