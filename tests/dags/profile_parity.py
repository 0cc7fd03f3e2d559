"""Parse the DAGs under the deployment that DDPO_ENVIRONMENT names, and print what each step's task is as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

DAGS = Path(__file__).resolve().parents[2] / "dags"


def task(operator: Any) -> dict[str, Any]:
    return {
        "upstream": sorted(operator.upstream_task_ids),
        "downstream": sorted(operator.downstream_task_ids),
        "pool": (operator.pool, operator.pool_slots),
        "retries": operator.retries,
        "delay": operator.retry_delay.total_seconds(),
        "backoff": operator.retry_exponential_backoff,
        "trigger_rule": operator.trigger_rule.value,
        "xcom": getattr(operator, "do_xcom_push", None),  # a mapped operator has none before it is expanded
    }


def command(profile: str, operator: Any) -> list[str]:
    """What the operator would start, before templates are rendered."""
    if profile == "docker":
        return [str(part) for part in operator.command]
    if profile == "kubernetes":
        return [str(part) for part in (*operator.cmds, *operator.arguments)]
    from dags.pipeline.steps import argv

    return [str(part) for part in argv(operator.step, operator.request)]


def variables(profile: str, operator: Any) -> list[str]:
    """Names in the step's environment that the deployment gives it."""
    if profile == "docker":
        return sorted(operator.environment)
    if profile == "kubernetes":
        return sorted(variable.name for variable in operator.env_vars)
    from dags.pipeline import environment

    given = environment.current().variables_of(operator.step)
    return sorted(name for name in given if name in os.environ)  # a process inherits them


def main() -> None:
    from airflow.dag_processing.dagbag import DagBag

    from components.core.contracts import StepName
    from dags.pipeline import environment
    from dags.pipeline.steps import step_task

    profile = environment.current().profile
    bag = DagBag(DAGS)
    steps = {step: step_task(step, "s3://bucket/plan/request.json") for step in StepName}
    classes = {type(step).__name__ for step in steps.values()}
    print(
        "\n"
        + json.dumps(
            {
                "errors": bag.import_errors,
                "dags": {dag.dag_id: {t.task_id: task(t) for t in dag.tasks} for dag in bag.dags.values()},
                "classes": sorted(classes),
                "of_class": {
                    dag.dag_id: sorted(t.task_id for t in dag.tasks if t.task_type in classes | {"ReportOperator"})
                    for dag in bag.dags.values()
                },
                "argv": {str(step): command(profile, operator) for step, operator in steps.items()},
                "variables": {str(step): variables(profile, operator) for step, operator in steps.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
