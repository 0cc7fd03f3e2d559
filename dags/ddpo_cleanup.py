"""Retention: trajectories of old iterations and attempts that nobody committed expire; evidence stays."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.sdk import dag

from dags.pipeline.callbacks import FailureNotifier
from dags.pipeline.cleanup_tasks import sweep
from dags.pipeline.forms import CLEANUP_FORM
from dags.pipeline.runbooks import CLEANUP_RUNBOOK


@dag(
    schedule=os.environ.get("DDPO_CLEANUP_SCHEDULE") or None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    params=CLEANUP_FORM,
    doc_md=CLEANUP_RUNBOOK,
    on_failure_callback=FailureNotifier(),
    is_paused_upon_creation=False,
    tags=["ddpo"],
)
def ddpo_cleanup() -> None:
    """Sweep the store."""
    sweep()


DAG = ddpo_cleanup()
