"""Two ranks by fork: they need no import of their own, and see what the test has made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from components.training.ranks import Ranks, together


def two_ranks(place: Path, work: Callable[[Ranks], str]) -> list[str]:
    """What each rank says in the end, in their order; without those that did not end well."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    place.mkdir()
    pids = []
    for rank in range(2):
        if (pid := os.fork()) == 0:
            try:
                with together(rank, 2, local_rank=rank, meeting=f"file://{place}/meeting") as ranks:
                    (place / f"said-{rank}").write_text(work(ranks))
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    return [path.read_text() for path in sorted(place.glob("said-*"))]
