"""One DAG run, driven by `dag.test()` as `ddpo run` does, with fake steps: `python -m tests.dags.driven DAG RUN JSON`.

What hands over to the scheduler is marked done. The last line on stdout is JSON: the state, and each task's.
"""

from __future__ import annotations

import importlib
import json
import sys

from components.core import deployment
from dags.pipeline import airflow_home
from dags.pipeline.driver import HANDED_OVER
from tests.dags import fake_steps


def main(dag_id: str, run_id: str, conf: str) -> None:
    places = deployment.from_environment()
    airflow_home.configure(places, DDPO_STEPS="in-process")
    airflow_home.migrate(places)
    fake_steps.install()
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from dags.pipeline import dag_runs

    state = dag_runs.run(importlib.import_module(f"dags.{dag_id}").DAG, run_id, json.loads(conf), HANDED_OVER)
    with create_session() as session:
        query = select(TaskInstance.task_id, TaskInstance.state).where(
            TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id
        )
        tasks = {task_id: str(getattr(state, "value", state)) for task_id, state in session.execute(query)}
    print("\n" + json.dumps({"state": state, "tasks": tasks}))


if __name__ == "__main__":
    main(*sys.argv[1:])
