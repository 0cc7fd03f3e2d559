"""Run one step: read its request, do nothing if it is done, else do it and commit.

A step is a function `run(request, out) -> result` in `components/<step>/step.py`. Its command, its in-process form and
its container are all this module, so that they cannot differ.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pydantic import ValidationError

from components.core import errors, store
from components.core.config import describe
from components.core.contracts import REQUESTS, Manifest, Request, StepName
from components.core.deployment import STORE_VARIABLE
from components.core.errors import BadRequest, StepError, Unavailable, without_secrets
from components.core.layout import RunLayout
from components.core.lifeline import die_with_parent

log = logging.getLogger(__name__)

UNEXPECTED = 70
"""Exit code of an error that nobody foresaw: a traceback on stderr, and a retry."""


def load_request(step: StepName, uri: str) -> Request:
    """Read a request from the plan that committed it: `<plan prefix>/<name>.json`."""
    prefix, _, name = uri.rpartition("/")
    if "://" not in prefix or not name.endswith(".json"):
        raise BadRequest(f"{uri!r} names no request", hint="it looks like <plan prefix>/<name>.json")
    try:
        return REQUESTS[step].model_validate_json(store.open_committed(prefix).read(name))
    except ValidationError as error:
        raise BadRequest(f"{uri} is no request for {step}: {describe(error)}") from None


def run_request(step: StepName, request: Request) -> Manifest:
    """Run a step to its commit; a step that is committed already does no work."""
    if not isinstance(request, REQUESTS[step]):
        raise BadRequest(f"{step} takes a {REQUESTS[step].__name__}, not a {type(request).__name__}")
    done = store.find(request.out)
    if done is not None:
        log.info("%s: %s is committed already: nothing to do", step, request.out)
        return store.answer_to(request, done)
    function = importlib.import_module(f"components.{step}.step").run
    try:
        with store.Attempt(request.out, step=step) as attempt:
            manifest = attempt.commit(request, function(request, attempt))
    except ValidationError as error:
        raise BadRequest(f"{step}: {error.title} does not hold: {describe(error)}") from error
    log.info(
        "%s: committed %s (%d files, %.1f MB, %.1f s, content %.12s)",
        step,
        request.out,
        len(manifest.files),
        manifest.cost.bytes_written / 1e6,
        manifest.cost.seconds,
        manifest.content_digest,
    )
    return manifest


def main(step: StepName) -> None:
    """Be the command of a step: `python -m components.<step> --request <URI>`. Ends the process."""
    arguments = _parser(step).parse_args()
    log_to_stderr()
    die_with_parent()
    signal.signal(signal.SIGTERM, _end)
    if not os.environ.get(STORE_VARIABLE) and "/runs/" in arguments.request:
        os.environ[STORE_VARIABLE] = RunLayout(arguments.request).store  # mirrors of models are there, too
    sys.exit(_exit_code(step, arguments.request))


def _exit_code(step: StepName, uri: str) -> int:
    """Run the request and say how it went: one line for what was foreseen, a traceback for what was not."""
    try:
        run_request(step, load_request(step, uri))
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if (expected := foreseen(error)) is not None:
            log.error("%s: %s: %s", step, type(expected).__name__, expected)
            return expected.exit_code
        traceback.print_exc()
        return UNEXPECTED
    return 0


def foreseen(error: Exception) -> StepError | None:
    """The expected failure that an error is: itself, or a service that was away. None: nobody foresaw it."""
    if isinstance(error, StepError):
        return error
    if service := _service_away(error):
        return Unavailable(f"a service is away: {type(service).__name__}: {without_secrets(str(service))}")
    return None


def _service_away(error: BaseException | None) -> BaseException | None:
    """The connection problem that an error is, or was raised from; None if it is something else."""
    while error is not None:
        # httpx, requests and urllib3 have a class of their own for each; they are named so that none need be imported.
        names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
        if isinstance(error, ConnectionError | TimeoutError) or names & {
            "httpx.TransportError",
            "httpx2.TransportError",
            "requests.ConnectionError",
            "requests.Timeout",
            "urllib3.TimeoutError",
            "urllib3.MaxRetryError",
        }:
            return error
        error = error.__cause__
    return None


def _end(number: int, frame: FrameType | None) -> None:
    """Leave at once: an attempt without a commit is only an orphan, so there is nothing to tidy.

    A container's first process has no default action for SIGTERM: without this it would sit out the grace period.
    """
    os._exit(128 + number)


def log_to_stderr(*, quiet: bool = False) -> None:
    """Log as a step does: its own story, and the warnings of others. `quiet`: only warnings."""
    formatter = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("components").setLevel(logging.WARNING if quiet else logging.INFO)


class _Parser(argparse.ArgumentParser):
    """argparse, with our own code for a wrong command line: its 2 would be retried."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and end."""
        self.exit(BadRequest.exit_code, f"{self.format_usage()}{self.prog}: {message}\n")


def _parser(step: StepName) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m components.{step}",
        description=_story(step),
        epilog=f"exit codes:\n\n{errors.__doc__}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--request",
        required=True,
        metavar="URI",
        help="a request that a plan committed, <plan prefix>/<name>.json, on s3:// or file://. "
        "A request that is done already does no work; two attempts at once commit once.",
    )
    return parser


def _story(step: StepName) -> str:
    """The step module's docstring, read without importing it: torch would take seconds."""
    source = Path(__file__).parents[1] / step / "step.py"
    story = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) if source.exists() else None
    return story or REQUESTS[step].__doc__ or ""
