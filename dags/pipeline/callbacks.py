"""What Airflow calls when something went wrong as a whole: a DAG run failed, or a deadline was missed."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from typing import Any

from airflow.sdk.bases.notifier import BaseNotifier
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference

from dags.pipeline import notifications
from dags.pipeline.notifications import Notification

DEADLINE_HOURS = float(os.environ.get("DDPO_DEADLINE_HOURS") or 0)
"""Hours from being queued in which a campaign should end; 0: it has no deadline."""


class FailureNotifier(BaseNotifier):
    """`on_failure_callback` of the DAGs."""

    def notify(self, context: Any) -> None:
        """One notification a failed DAG run."""
        notifications.send(failed(context))


def failed(context: Any) -> Notification:
    """What a failed DAG run's context says."""
    dag_run, dag = context.get("dag_run"), context.get("dag")
    run_id = str(context.get("run_id") or getattr(dag_run, "run_id", ""))
    dag_id = str(getattr(dag, "dag_id", "") or getattr(dag_run, "dag_id", ""))
    reason = context.get("exception") or context.get("reason") or "a task failed"
    conf = getattr(dag_run, "conf", None) or {}
    campaign = str(conf.get("run") or conf.get("run_id") or run_id).rstrip("/").rpartition("/")[2]
    text = f"{dag_id} {run_id} failed: {reason}"
    return Notification(kind="failed", run=campaign, text=text, links=_links(dag_id, run_id))


def deadline() -> DeadlineAlert | None:
    """The campaign's deadline, where DDPO_DEADLINE_HOURS sets one. It alerts, and ends nothing."""
    if not DEADLINE_HOURS:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=timedelta(hours=DEADLINE_HOURS),
        callback=AsyncCallback(deadline_missed, kwargs={"hours": DEADLINE_HOURS}),
        name="a campaign ends in time",
    )


async def deadline_missed(hours: float, context: dict[str, Any] | None = None) -> None:
    """Called by the triggerer."""
    dag_run = (context or {}).get("dag_run") or {}
    dag_id, run_id = str(dag_run.get("dag_id", "")), str(dag_run.get("dag_run_id", ""))
    conf = dag_run.get("conf") or {}
    text = f"{dag_id} {run_id} has not ended {hours:g} h after it was queued; it goes on"
    notification = Notification(
        kind="deadline missed", run=str(conf.get("run_id") or run_id), text=text, links=_links(dag_id, run_id)
    )
    await asyncio.to_thread(notifications.send, notification)


def _links(dag_id: str, run_id: str) -> dict[str, str]:
    from airflow.sdk.configuration import conf

    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return {"Airflow": f"{base}/dags/{dag_id}/runs/{run_id}"} if base and run_id else {}
