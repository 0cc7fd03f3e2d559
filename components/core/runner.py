"""Run one step: read its request, do nothing if it is done, else do it and commit.

A step is a function `run(request, out) -> result` in `components/<step>/step.py`. Its command, its in-process form and
its container are all this module, so that they cannot differ.
"""

from __future__ import annotations

import importlib

from components.core import store
from components.core.contracts import REQUESTS, Manifest, Request, StepName
from components.core.errors import Conflict


def load_request(step: StepName, uri: str) -> Request:
    """Read a request from the plan that committed it: `<plan prefix>/<name>.json`."""
    prefix, _, name = uri.rpartition("/")
    return REQUESTS[step].model_validate_json(store.open_committed(prefix).read(name))


def run_request(step: StepName, request: Request) -> Manifest:
    """Run a step to its commit; a step that is committed already does no work."""
    done = store.find(request.out)
    if done is not None:
        if done.manifest.request_digest != request.digest():
            raise Conflict(f"{request.out} is committed, from another request", hint="a new run id is a new prefix")
        return done.manifest
    function = importlib.import_module(f"components.{step}.step").run
    with store.Attempt(request.out, step=step) as attempt:
        return attempt.commit(request, function(request, attempt))
