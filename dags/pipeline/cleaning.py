"""Sweep the runs of a store: what retention lets go, run by run, and what that freed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from components.core import campaign
from components.core.errors import StepError
from components.core.layout import RunLayout
from components.core.retention import Swept, sweep


@dataclass(frozen=True)
class Left:
    """A run that could not be swept: opened by another release, or corrupt. The others are swept all the same."""

    run: str
    reason: str


def runs_of(store_uri: str) -> list[RunLayout]:
    """Every run of a store."""
    return [RunLayout.of(store_uri, name) for name in campaign.list_runs(store_uri)]


def sweep_all(runs: Iterable[RunLayout], *, keep: int, orphan_days: float, dry: bool) -> Iterator[Swept | Left]:
    """Sweep one run after the other. Raises Unavailable where the store is away: a later sweep finishes this one."""
    for run in runs:
        try:
            yield sweep(run, now=datetime.now(UTC), keep=keep, orphans_after=timedelta(days=orphan_days), dry=dry)
        except StepError as error:
            if error.retried:
                raise
            yield Left(run.run_id, str(error))


def said(swept: Swept | Left, *, dry: bool) -> str:
    """One run's line.

    >>> said(Swept(run="cats", trajectories=4, orphans=1, files=9, size=2_500_000), dry=False)
    'cats: removed 4 trajectories and 1 orphaned attempts: 9 files, 2.5 MB'
    """
    if isinstance(swept, Left):
        return f"{swept.run}: left as it is: {swept.reason}"
    what = f"{swept.trajectories} trajectories and {swept.orphans} orphaned attempts"
    return f"{swept.run}: {'would remove' if dry else 'removed'} {what}: {swept.files} files, {swept.size / 1e6:.1f} MB"
