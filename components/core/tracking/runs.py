"""Finding and making MLflow's runs, each of them once."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from components.core.tracking.labels import Identity, milliseconds

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


def the_run(client: MlflowClient, experiment: str, identity: Identity, *, name: str, started_at: datetime) -> Run:
    """The one run with this identity, made if there is none.

    MLflow has no compare-and-set. Two projections at once may both make it: each of them looks again and keeps the
    first by (start time, id), and whoever sees another deletes it. Its content is the store's, so nothing is lost.
    """
    found = _search(client, experiment, identity)
    if not found:
        client.create_run(experiment, start_time=milliseconds(started_at), tags=dict(identity), run_name=name)
        found = _search(client, experiment, identity)
    for surplus in found[1:]:
        client.delete_run(surplus.info.run_id)
    return found[0]


def is_deleted(client: MlflowClient, run_id: str) -> bool:
    """Whether another projection took this run for a surplus one."""
    return str(client.get_run(run_id).info.lifecycle_stage) == "deleted"


def _search(client: MlflowClient, experiment: str, identity: Identity) -> list[Run]:
    query = " and ".join(f"tags.`{key}` = {_quoted(value)}" for key, value in identity.items())
    runs = client.search_runs([experiment], filter_string=query)
    return sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"
