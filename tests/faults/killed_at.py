"""Run a step's command as it is, and kill it at a chosen point: SIGKILL, so that nothing of it can tidy up.

    python -m tests.faults.killed_at <point> <step> --request <URI>

Points: `before work`, `mid-work` (half of the first file is written), `before marker` (every file is), `after marker`,
and `never`. Production code knows nothing of this: the store's Attempt is patched here.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from typing import Any

from components.core import store
from components.core.contracts import Manifest

POINTS = ("before work", "mid-work", "before marker", "after marker")


def die(*args: object, **options: object) -> Any:
    """As kill -9 from outside, or the kernel short of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def arrange(point: str) -> None:
    """Patch the attempt so that it kills its own process at the point."""
    write, commit = store.Attempt.write, store.Attempt.commit

    def write_half(attempt: store.Attempt, path: str, data: bytes) -> None:
        write(attempt, path, data[: len(data) // 2])
        die()

    def commit_and_die(attempt: store.Attempt, *args: Any) -> Manifest:
        commit(attempt, *args)
        return die()  # type: ignore[no-any-return]

    patches = {
        "before work": ("__enter__", die),
        "mid-work": ("write", write_half),
        "before marker": ("commit", die),
        "after marker": ("commit", commit_and_die),
    }
    if point in patches:
        setattr(store.Attempt, *patches[point])


if __name__ == "__main__":
    arrange(sys.argv[1])
    module = f"components.{sys.argv[2]}"
    sys.argv[1:3] = []
    runpy.run_module(module, run_name="__main__", alter_sys=True)
