"""Whether a schedule has a reason to train again: what is new since the last run of the preset, and what still runs."""

from __future__ import annotations

import logging
from typing import Literal

from components.core import campaign, opening, store
from components.core.config import Contract, RunConfig
from components.core.contracts import StartRequest
from components.core.errors import BadData, Conflict
from components.core.layout import RunLayout

log = logging.getLogger(__name__)

SeedPolicy = Literal["preset", "advance"]
"""`preset`: the preset's seed each time, so that an unchanged Monday is skipped. `advance`: one more than last time."""


class Reasons(Contract):
    """What a new run would do that the last one did not."""

    previous: str | None
    """Id of the preset's last run; None for the first."""
    changed: tuple[str, ...]
    """Names of the inputs that differ, each as `name: old -> new`; empty: there is nothing to learn."""

    @property
    def said(self) -> str:
        """In one line."""
        if self.previous is None:
            return "the first run of this preset"
        return "; ".join(self.changed) or f"nothing changed since {self.previous}"


def runs_of(store_uri: str, preset: str) -> list[StartRequest]:
    """The preset's runs, in the order in which they were opened."""
    runs = f"{store_uri.rstrip('/')}/runs"
    commits = [found for name in store.children(runs) if (found := store.find(f"{runs}/{name}")) is not None]
    ours = [c for c in commits if c.manifest.request.get("preset") == preset]
    starts = []
    for commit in sorted(ours, key=lambda c: (c.manifest.cost.committed_at, c.prefix)):
        try:
            starts.append(commit.asked(StartRequest))
        except BadData as error:  # an old run must not stop a schedule for ever
            log.warning("left out: %s", error)
    return starts


def refuse_unfinished(store_uri: str, preset: str, *, but: str | None = None) -> None:
    """Raise Conflict if a run of the preset has not come to its end; `but` is the id of the one that is to go on."""
    for start in runs_of(store_uri, preset):
        run = RunLayout(start.out.rstrip("/"))
        if run.run_id == but:
            continue
        decision = campaign.decide(campaign.load(run))
        if decision.action == "continue":
            raise Conflict(
                f"run {run.run_id} of preset {preset} is not finished: {decision.reason}",
                hint=f"`ddpo resume {run.run_id}` takes it to its end, `ddpo stop {run.run_id}` ends it where it is",
            )


def reasons(store_uri: str, preset: str, config: RunConfig, *, but: str | None = None) -> Reasons:
    """What is new since the preset's last run. `but` is the id of the new run itself, where it is open already."""
    earlier = [start for start in runs_of(store_uri, preset) if RunLayout(start.out.rstrip("/")).run_id != but]
    if not earlier:
        return Reasons(previous=None, changed=())
    last = earlier[-1]
    now = opening.inputs_of(config, opening.own_prompts(config))
    names = [name for name in now if last.inputs.get(name) != now[name]]
    changed = tuple(f"{name}: {last.inputs.get(name, 'unknown')} -> {now[name]}" for name in names)
    return Reasons(previous=RunLayout(last.out.rstrip("/")).run_id, changed=changed)


def next_seed(store_uri: str, preset: str, config: RunConfig, policy: SeedPolicy) -> int:
    """The seed of the preset's next run."""
    earlier = runs_of(store_uri, preset)
    if policy == "preset" or not earlier:
        return config.seed
    return (max(start.config.seed for start in earlier) + 1) % 2**31
