"""Another run from a policy of a run."""

from __future__ import annotations

from collections.abc import Iterable

from components.core import store
from components.core.campaign import Campaign
from components.core.config import RunConfig
from components.core.errors import BadRequest
from components.core.opening import PROMPTS_FILE
from components.core.plan import is_listed
from dags.pipeline import presets


def config_at(
    parent: Campaign, policy: int, overrides: Iterable[str] = (), *, iterations: int | None = None
) -> RunConfig:
    """The parent's config, started from its policy `policy`; 0 is where the parent itself started.

    Raises BadRequest if the parent has no such policy, or naming the override that is wrong.
    """
    if not 0 <= policy <= parent.next_iteration:
        raise BadRequest(
            f"{parent.run.run_id} has no policy {policy}",
            hint=f"it has 0 to {parent.next_iteration}; `ddpo show {parent.run.run_id}` lists them",
        )
    start = parent.run.training(policy - 1) if policy else parent.config.start_adapter
    prompts = parent.config.prompts.model_copy(update={"train": _prompts(parent)})
    config = parent.config.model_copy(update={"start_adapter": start, "prompts": prompts})
    return presets.changed(config, overrides, iterations=iterations)


def lineage(parent: Campaign, policy: int) -> str:
    """What stands in the place of a preset's name: a schedule never takes a fork for a run of its own.

    >>> from types import SimpleNamespace as of
    >>> lineage(of(run=of(run_id="demo"), start=of(preset="smoke")), 12)
    'fork of demo at 12 (smoke)'
    """
    preset = parent.start.preset
    return f"fork of {parent.run.run_id} at {policy}" + (f" ({preset})" if preset else "")


def _prompts(parent: Campaign) -> str:
    """A list's name; a user's file as it was frozen with the parent, for theirs may have changed since."""
    train = parent.config.prompts.train
    if is_listed(train):
        return train
    attempt = store.open_committed(parent.run.uri).manifest.attempt
    return f"{parent.run.uri}/attempts/{attempt}/{PROMPTS_FILE}"
