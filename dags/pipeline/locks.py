"""One driver a run: a lock file that the kernel releases however its holder ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from components.core.deployment import Deployment
from components.core.errors import Conflict
from components.core.layout import RunLayout
from dags.pipeline.dag_names import store_tag


@contextlib.contextmanager
def alone(run: RunLayout, places: Deployment) -> Iterator[None]:
    """Hold a run's lock. Raises Conflict if another process holds it: two drivers would do everything twice."""
    path = _path(run, places)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not _lock(file.fileno()):
            raise Conflict(
                f"run {run.run_id} is being driven by another process",
                hint="`ddpo show` follows it, `ddpo stop` ends it",
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def held(run: RunLayout, places: Deployment) -> bool:
    """Whether somebody is driving this run."""
    return _held(_path(run, places))


def held_runs(places: Deployment) -> list[str]:
    """Ids of the runs that somebody is driving."""
    return [file.stem.partition("@")[0] for file in sorted(places.home.glob("locks/*.lock")) if _held(file)]


def _held(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("a+") as file:
        return not _lock(file.fileno())


def _path(run: RunLayout, places: Deployment) -> Path:
    """Two stores may have runs of one name; no run id has an @."""
    return places.home / "locks" / f"{run.run_id}@{store_tag(run.store)}.lock"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
