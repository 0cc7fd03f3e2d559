"""DAG runs in this machine's Airflow database, made by `dag.test()` under a name of our choice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.models.taskinstance import TaskInstance
from airflow.sdk import timezone
from airflow.sdk.listener import get_listener_manager
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import delete, select, update

from components.core.deployment import Deployment
from components.core.layout import RunLayout
from dags.pipeline import locks
from dags.pipeline.steps import POOLS

UNFINISHED = ("queued", "running")


def run(dag: Any, run_id: str, conf: dict[str, Any], mark_success: str) -> str:
    """Run a DAG once, in this process; a run of that name is replaced. Returns the state it ended in."""
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.run_id == run_id))
    known = {key: conf[key] for key in dag.params if key in conf}
    dag.on_failure_callback = None  # `dag.test()` cannot make its context where a form has fields without a default
    dag.has_on_failure_callback = False
    try:
        with _named(run_id):
            ended = dag.test(run_conf=known, mark_success_pattern=mark_success)
        return str(ended.state.value if hasattr(ended.state, "value") else ended.state)
    finally:
        end(dag.dag_id, run_id)


def succeeded(dag_id: str, run_id: str) -> bool:
    """Whether the run of this name went through."""
    with create_session() as session:
        query = select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        return bool(session.scalar(query) == "success")


def end(dag_id: str, run_id: str) -> None:
    """Fail what a run left unfinished."""
    with create_session() as session:
        left = session.execute(
            update(DagRun)
            .where(DagRun.dag_id == dag_id, DagRun.run_id == run_id, DagRun.state.in_(UNFINISHED))
            .values(state="failed", end_date=timezone.utcnow())
        )
        if left.rowcount:
            session.execute(
                update(TaskInstance)
                .where(
                    TaskInstance.dag_id == dag_id,
                    TaskInstance.run_id == run_id,
                    TaskInstance.state.in_(("queued", "running", "up_for_retry", "scheduled", "up_for_reschedule")),
                )
                .values(state="failed", end_date=timezone.utcnow())
            )


def end_abandoned(places: Deployment) -> None:
    """Fail the unfinished runs of drivers that are gone: killed, or the power failed. No scheduler may take them up."""
    with create_session() as session:
        query = select(DagRun.dag_id, DagRun.run_id, DagRun.conf).where(
            DagRun.state.in_(UNFINISHED), DagRun.triggered_by == DagRunTriggeredByType.TEST
        )
        left = [(dag_id, run_id, conf) for dag_id, run_id, conf in session.execute(query)]
    for dag_id, run_id, conf in left:
        if not locks.held(campaign_of(conf), places):
            end(dag_id, run_id)


def campaign_of(conf: dict[str, Any] | None) -> RunLayout:
    """Run that a DAG run belongs to, by what the driver gave it.

    >>> campaign_of({"run": "file:///store/runs/demo", "iteration": 7}).run_id
    'demo'
    """
    given = conf or {}
    return RunLayout(str(given.get("run") or given.get("run_id") or "").rstrip("/"))


def make_pools() -> None:
    """Make the pools that the steps wait in; one that is there keeps the slots that somebody gave it."""
    for name, (slots, description) in POOLS.items():
        if Pool.get_pool(name) is None:
            Pool.create_or_update_pool(name, slots, description, include_deferred=True)


@contextlib.contextmanager
def listening(listener: Any) -> Iterator[None]:
    """Tell a listener of every task while this is open."""
    manager = get_listener_manager()
    manager.add_listener(listener)
    try:
        yield
    finally:
        manager.pm.unregister(listener)


def _named(run_id: str) -> Any:
    """`dag.test()` takes no run id and asks DagRun for one: let it be ours."""
    return mock.patch.object(DagRun, "generate_run_id", staticmethod(lambda **_: run_id))
