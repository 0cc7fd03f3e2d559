"""The command line of a tool: progress on stderr, its answer on stdout, for a foreseen error one line and its code."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from typing import NoReturn

from components.core.errors import BadRequest, StepError


class Parser(argparse.ArgumentParser):
    """argparse, with this project's own exit code for a wrong command line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end."""
        self.exit(BadRequest.exit_code, f"{self.format_usage()}{self.prog}: {message}\n")


def answer(tool: Callable[[], str]) -> int:
    """Run a tool, print what it returns, and give the exit code of `components.core.errors`."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("components.registration").setLevel(logging.INFO)
    try:
        print(tool())
    except StepError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0
