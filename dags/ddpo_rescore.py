"""Stored pictures of a run, scored with another reward or judge; nothing else changes, and once more does no work."""

from __future__ import annotations

from airflow.sdk import dag

from dags.pipeline import rescoring_tasks, tasks
from dags.pipeline.callbacks import FailureNotifier
from dags.pipeline.forms import RESCORE_FORM
from dags.pipeline.runbooks import RESCORE_RUNBOOK


@dag(
    schedule=None,
    max_active_runs=4,
    params=RESCORE_FORM,
    doc_md=RESCORE_RUNBOOK,
    on_failure_callback=FailureNotifier(),
    is_paused_upon_creation=False,
    tags=["ddpo"],
)
def ddpo_rescore() -> None:
    """Plan, score each shard, and put the rewards into a table."""
    planned = rescoring_tasks.plan()
    shards = rescoring_tasks.shards.expand_kwargs(planned)
    shards >> rescoring_tasks.table() >> tasks.track("{{ params.run }}")


DAG = ddpo_rescore()
