"""One driver a run: a lock file that the kernel releases however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from components.core.deployment import Deployment
from components.core.errors import Conflict


@contextlib.contextmanager
def alone(run_id: str, places: Deployment) -> Iterator[None]:
    """Hold a run's lock. Raises Conflict if another process holds it: two drivers would do everything twice."""
    path = _path(run_id, places)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _lock(file.fileno()):
            raise Conflict(
                f"run {run_id} is being driven by another process", hint="`ddpo show` follows it, `ddpo stop` ends it"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def held(run_id: str, places: Deployment) -> bool:
    """Whether somebody is driving this run."""
    path = _path(run_id, places)
    if not path.exists():
        return False
    with path.open("a+") as file:
        return not _lock(file.fileno())


def held_runs(places: Deployment) -> list[str]:
    """Ids of the runs that somebody is driving."""
    return [file.stem for file in sorted(places.home.glob("locks/*.lock")) if held(file.stem, places)]


def _path(run_id: str, places: Deployment) -> Path:
    return places.home / "locks" / f"{run_id}.lock"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
