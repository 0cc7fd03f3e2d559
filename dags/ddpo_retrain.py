"""A whole campaign: is there a reason, open the run, evaluate its start, trigger iteration 0, wait for the end."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import TriggerRule, dag

from components.core.contracts import StepName
from dags.pipeline import tasks
from dags.pipeline.callbacks import FailureNotifier, deadline
from dags.pipeline.dag_names import ITERATION_DAG
from dags.pipeline.forms import RETRAIN_FORM
from dags.pipeline.retrain_tasks import begin, open_run
from dags.pipeline.runbooks import RETRAIN_RUNBOOK
from dags.pipeline.steps import RETRY_DELAY, step_task
from dags.pipeline.waiting import WaitForTheEnd


@dag(
    schedule=os.environ.get("DDPO_RETRAIN_SCHEDULE") or None,
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=4,
    params=RETRAIN_FORM,
    doc_md=RETRAIN_RUNBOOK,
    deadline=deadline(),
    on_failure_callback=FailureNotifier(),
    is_paused_upon_creation=False,
    tags=["ddpo"],
)
def ddpo_retrain() -> None:
    """Open a run and see it to its end."""
    opened = open_run()
    prompts = step_task(StepName.PROMPTS, opened["prompts"], task_id="evaluation_prompts")
    shards = tasks.sample_and_score.override(group_id="baseline_shards").expand_kwargs(opened)
    baseline = step_task(StepName.EVALUATION, opened["evaluation"], task_id="baseline")
    track = tasks.track(opened["run"])
    next_ = begin(opened["run"])
    trigger_first = TriggerDagRunOperator(
        task_id="trigger_first",
        trigger_dag_id=ITERATION_DAG,
        trigger_run_id=next_["run_id"],
        conf=next_["conf"],
        logical_date=None,
        skip_when_already_exists=True,
    )
    wait = WaitForTheEnd(
        task_id="wait_for_the_end",
        run=opened["run"],
        retries=3,
        retry_delay=RETRY_DELAY,
        trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS,  # iteration 0 may be there: its trigger is skipped then
    )
    prompts >> shards >> baseline >> track >> next_ >> [trigger_first, wait]
    trigger_first >> wait


DAG = ddpo_retrain()
