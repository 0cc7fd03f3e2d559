"""What a run may lose: the trajectories of old iterations, and attempts that nobody committed.

Evidence stays: pictures, rewards, adapters, evaluations, manifests. A trajectory is needed once, by its own iteration's
training, and trajectories are most of a run's bytes. What goes is written down first (EXPIRED.json beside the commit),
so that a sweep that dies half way is finished by the next, and a reader learns why a file is not there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from components.core import campaign, store
from components.core.config import Contract
from components.core.layout import RunLayout
from components.core.store import ATTEMPTS, EXPIRED, MARKER, Expired

TRAJECTORIES = "trajectories.safetensors"
KEEP = 2
"""Newest trained iterations that keep their trajectories: to look at when something is odd."""
ORPHANS_AFTER = timedelta(days=3)
"""Age at which an uncommitted attempt is dead. Longer than any step may take: one at work must not lose its files."""


class Swept(Contract):
    """What one sweep removed, or would remove."""

    run: str
    trajectories: int
    orphans: int
    """Attempts, not files."""
    files: int
    size: int
    """Bytes."""


@dataclass
class _Prefix:
    """The objects of one prefix of a run."""

    committed: bool = False
    attempts: dict[str, list[tuple[str, int, datetime]]] = field(default_factory=lambda: defaultdict(list))
    """Attempt -> (path, bytes, written) of its files."""


def sweep(
    run: RunLayout, *, now: datetime, keep: int = KEEP, orphans_after: timedelta = ORPHANS_AFTER, dry: bool = False
) -> Swept:
    """Remove what has expired from one run. Twice is once; `dry` only counts."""
    state = campaign.load(run)
    old = [run.sampling(k, s) for k in range(max(0, len(state.trained) - keep)) for s in range(_shards(state))]
    prefixes = _listed(run)
    trajectories = [found for prefix in old if (found := _trajectory(run, prefix, prefixes)) is not None]
    orphans = list(_orphans(run, prefixes, now - orphans_after))
    if not dry:
        for prefix, uri, _ in trajectories:
            _say_so(prefix)
            store.delete(uri)
        for files in orphans:
            for uri, _ in files:
                store.delete(uri)
    return Swept(
        run=run.run_id,
        trajectories=len(trajectories),
        orphans=len(orphans),
        files=len(trajectories) + sum(map(len, orphans)),
        size=sum(size for _, _, size in trajectories) + sum(size for files in orphans for _, size in files),
    )


def _shards(state: campaign.Campaign) -> int:
    return state.config.prompts.shards


def _listed(run: RunLayout) -> dict[str, _Prefix]:
    """Everything below the run by its prefix, from one listing."""
    prefixes: dict[str, _Prefix] = defaultdict(_Prefix)
    for path, size, written in store.below(run.uri):
        if path.endswith(f"/{MARKER}") or path == MARKER:
            prefixes[f"{run.uri}/{path}".removesuffix(f"/{MARKER}")].committed = True
            continue
        before, found, after = f"/{path}".rpartition(f"/{ATTEMPTS}/")
        if found:
            attempt, _, name = after.partition("/")
            prefixes[f"{run.uri}{before}"].attempts[attempt].append((name, size, written))
    return prefixes


def _trajectory(run: RunLayout, prefix: str, prefixes: dict[str, _Prefix]) -> tuple[str, str, int] | None:
    """(prefix, URI, bytes) of a committed shard's trajectories, while they are there."""
    known = prefixes.get(prefix)
    if known is None or not known.committed:
        return None
    attempt = store.open_committed(prefix).manifest.attempt
    size = next((size for name, size, _ in known.attempts.get(attempt, ()) if name == TRAJECTORIES), None)
    return None if size is None else (prefix, f"{prefix}/{ATTEMPTS}/{attempt}/{TRAJECTORIES}", size)


def _orphans(run: RunLayout, prefixes: dict[str, _Prefix], before: datetime) -> Iterator[list[tuple[str, int]]]:
    """Files (URI, bytes) of each attempt that lost or died, and has written nothing since."""
    for prefix, known in prefixes.items():
        winner = None
        if known.committed and len(known.attempts) > 1:
            winner = store.open_committed(prefix).manifest.attempt
        elif known.committed:
            continue
        for attempt, files in known.attempts.items():
            if attempt != winner and max(written for _, _, written in files) < before:
                yield [(f"{prefix}/{ATTEMPTS}/{attempt}/{name}", size) for name, size, _ in files]


def _say_so(prefix: str) -> None:
    expired = Expired(files=(TRAJECTORIES,), reason="its iteration is trained, and it is an old one")
    store.create(f"{prefix}/{EXPIRED}", expired.model_dump_json(indent=1).encode())
