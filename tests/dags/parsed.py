"""Parse the DAG folder as Airflow does, with the ML stack made unimportable, and print what was found as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FORBIDDEN = ("torch", "diffusers", "transformers", "peft", "mlflow", "boto3", "PIL")
DAGS = Path(__file__).resolve().parents[2] / "dags"


def main() -> None:
    for name in FORBIDDEN:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it now raises
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(DAGS)
    dags = {
        dag.dag_id: {
            "doc": dag.doc_md,
            "schedule": dag.timetable.summary if dag.schedule else None,
            "max_active_runs": dag.max_active_runs,
            "native": dag.render_template_as_native_obj,
            "paused": dag.is_paused_upon_creation,
            "params": {name: dag.params.get_param(name).schema for name in dag.params},
            "tasks": {
                task.task_id: {
                    "upstream": sorted(task.upstream_task_ids),
                    "pool": task.pool,
                    "retries": task.retries,
                    "trigger_rule": task.trigger_rule.value,
                    "operator": task.task_type,
                    "xcom": getattr(task, "do_xcom_push", True),  # a mapped operator has none until it is expanded
                }
                for task in dag.tasks
            },
        }
        for dag in bag.dags.values()
    }
    print("\n" + json.dumps({"errors": bag.import_errors, "dags": dags, "modules": sorted(sys.modules)}))


if __name__ == "__main__":
    main()
