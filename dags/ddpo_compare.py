"""Algorithms side by side: open a comparison, tune, make its runs as campaigns, then draw what came of them."""

from __future__ import annotations

from airflow.sdk import TriggerRule, dag

from dags.pipeline import comparison_tasks as tasks
from dags.pipeline.callbacks import FailureNotifier
from dags.pipeline.forms import COMPARE_FORM
from dags.pipeline.runbooks import COMPARE_RUNBOOK


@dag(
    schedule=None,
    max_active_runs=2,
    params=COMPARE_FORM,
    doc_md=COMPARE_RUNBOOK,
    on_failure_callback=FailureNotifier(),
    is_paused_upon_creation=False,
    tags=["ddpo"],
)
def ddpo_compare() -> None:
    """Tuning runs, the choice of the learning rates, the runs, the figure and the table."""
    opened = tasks.open_comparison()
    tuning = tasks.campaigns("tuning_runs").expand_kwargs(opened)
    chosen = tasks.choose_rates(opened["comparison"])
    runs = tasks.campaigns("runs").expand_kwargs(chosen)
    drawn = tasks.ComparisonOperator(
        task_id="compare", comparison=opened["comparison"], trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS
    )
    tuning >> chosen
    [chosen, runs] >> drawn


DAG = ddpo_compare()
