"""Two ranks by fork: they need no import of their own, and see what the test has made."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

from components.training.ranks import Ranks, together


def two_ranks(place: Path, work: Callable[[Ranks], str]) -> list[str]:
    """What each rank says in the end, in their order. A rank that raises fails the test; one that was killed, or whose
    partner was, says nothing."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    place.mkdir()
    pids = []
    for rank in range(2):
        if (pid := os.fork()) == 0:
            try:
                with together(rank, 2, local_rank=rank, meeting=f"file://{place}/meeting") as ranks:
                    (place / f"said-{rank}").write_text(work(ranks))
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        pids.append(pid)
    ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    assert min(ends) < 0 or ends == [0, 0], f"ranks ended with {ends}"
    return [path.read_text() for path in sorted(place.glob("said-*"))]
