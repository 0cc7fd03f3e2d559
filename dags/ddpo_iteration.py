"""One iteration of policy improvement: prompts, [sampling, scoring] a shard, training, evaluation when due, decide."""

from __future__ import annotations

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import dag

from components.core.contracts import StepName
from dags.pipeline import tasks
from dags.pipeline.forms import ITERATION_FORM
from dags.pipeline.runbooks import ITERATION_RUNBOOK
from dags.pipeline.steps import step_task


@dag(schedule=None, max_active_runs=16, params=ITERATION_FORM, doc_md=ITERATION_RUNBOOK, tags=["ddpo"])
def ddpo_iteration() -> None:
    """Make policy k+1 from policy k, then trigger iteration k+1 or register the best."""
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
    decision = tasks.decide()
    [training, evaluation] >> track >> decision

    trigger_next = TriggerDagRunOperator(
        task_id="trigger_next",
        trigger_dag_id=tasks.ITERATION_DAG,
        trigger_run_id=decision["run_id"],
        conf=decision["conf"],
        logical_date=None,
        skip_when_already_exists=True,
    )
    register = step_task(StepName.REGISTRATION, decision["registration"], task_id="register")
    decision >> [trigger_next, register]


DAG = ddpo_iteration()
