"""One iteration of policy improvement: prompts, [sampling, scoring] a shard, training, evaluation when due, decide."""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag

from components.core.contracts import StepName
from dags.pipeline import tasks
from dags.pipeline.callbacks import FailureNotifier
from dags.pipeline.dag_names import ITERATION_DAG, PROMOTE_DAG
from dags.pipeline.forms import ITERATION_FORM
from dags.pipeline.reports import ReportOperator
from dags.pipeline.runbooks import ITERATION_RUNBOOK
from dags.pipeline.steps import step_task


@dag(
    schedule=None,
    max_active_runs=16,
    params=ITERATION_FORM,
    doc_md=ITERATION_RUNBOOK,
    on_failure_callback=FailureNotifier(),
    is_paused_upon_creation=False,
    tags=["ddpo"],
)
def ddpo_iteration() -> None:
    """Make policy k+1 from policy k, then trigger iteration k+1, or register the best and have it promoted."""
    plan = tasks.plan()
    prompts = step_task(StepName.PROMPTS, plan["prompts"])
    shards = tasks.sample_and_score.override(group_id="shards").expand_kwargs(plan)
    training = step_task(StepName.TRAINING, plan["training"])
    prompts >> shards >> training

    due = tasks.plan_evaluation()
    evaluation_shards = tasks.sample_and_score.override(group_id="evaluation_shards").expand_kwargs(due)
    evaluation = step_task(StepName.EVALUATION, due["evaluation"])
    training >> due
    evaluation_shards >> evaluation

    track = tasks.track("{{ params.run }}")
    report = ReportOperator(task_id="report", run="{{ params.run }}")
    decision = tasks.decide()
    [training, evaluation] >> track >> decision
    [evaluation, track] >> report

    trigger_next = TriggerDagRunOperator(
        task_id="trigger_next",
        trigger_dag_id=ITERATION_DAG,
        trigger_run_id=decision["run_id"],
        conf=decision["conf"],
        logical_date=None,
        skip_when_already_exists=True,
    )
    register = step_task(StepName.REGISTRATION, decision["registration"], task_id="register")
    trigger_promote = TriggerDagRunOperator(
        task_id="trigger_promote",
        trigger_dag_id=PROMOTE_DAG,
        trigger_run_id=decision["promotion_run_id"],
        conf=decision["promotion"],
        logical_date=None,
        skip_when_already_exists=True,
    )
    decision >> [trigger_next, register]
    register >> trigger_promote


DAG = ddpo_iteration()
