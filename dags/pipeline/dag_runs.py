"""DAG runs in this machine's Airflow database, made by `dag.test()` under a name of our choice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.listener import get_listener_manager
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from sqlalchemy import delete, select, update

UNFINISHED = ("queued", "running")


def run(dag: Any, run_id: str, conf: dict[str, Any], mark_success: str) -> str:
    """Run a DAG once, in this process; a run of that name is replaced. Returns the state it ended in."""
    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.run_id == run_id))
    known = {key: conf[key] for key in dag.params if key in conf}
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
    """Fail what a run left unfinished, so that no scheduler takes it up later."""
    with create_session() as session:
        _end(session, DagRun.dag_id == dag_id, DagRun.run_id == run_id)


def end_abandoned(run_ids_in_use: frozenset[str] = frozenset()) -> int:
    """Fail the unfinished runs of drivers that are gone (killed, or the power failed). Returns how many there were."""
    with create_session() as session:
        return _end(session, DagRun.triggered_by == DagRunTriggeredByType.TEST, DagRun.run_id.not_in(run_ids_in_use))


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


def _end(session: Any, *which: Any) -> int:
    left = session.execute(
        select(DagRun.dag_id, DagRun.run_id).where(DagRun.state.in_(UNFINISHED), *which)
    ).all()
    for dag_id, run_id in left:
        session.execute(
            update(TaskInstance)
            .where(
                TaskInstance.dag_id == dag_id,
                TaskInstance.run_id == run_id,
                TaskInstance.state.not_in(("success", "failed", "skipped", "upstream_failed", "removed")),
            )
            .values(state="failed")
        )
        session.execute(
            update(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id).values(state="failed")
        )
    return len(left)
