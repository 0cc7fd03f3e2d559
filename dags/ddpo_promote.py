"""From a run's best policy to a model's champion: gates, a person or the config's word, the promotion log, aliases."""

from __future__ import annotations

from airflow.sdk import TriggerRule, dag

from dags.pipeline import promotion_tasks as tasks
from dags.pipeline.callbacks import FailureNotifier
from dags.pipeline.forms import PROMOTE_FORM
from dags.pipeline.reports import ReportOperator
from dags.pipeline.runbooks import PROMOTE_RUNBOOK


@dag(
    schedule=None,
    max_active_runs=16,
    params=PROMOTE_FORM,
    doc_md=PROMOTE_RUNBOOK,
    on_failure_callback=FailureNotifier(),
    is_paused_upon_creation=False,
    tags=["ddpo"],
)
def ddpo_promote() -> None:
    """Judge a policy, register it, ask, promote, and let MLflow's aliases follow."""
    judged = tasks.judge()
    run, policy, person = judged["run"], judged["policy"], judged["person"]
    register = tasks.register.expand_kwargs(judged)
    base = tasks.base(run)
    report = ReportOperator(task_id="report", run=run, trigger_rule=TriggerRule.NONE_FAILED)
    approve = tasks.ApprovePromotion(
        task_id="approve",
        subject=judged["subject"],
        body=judged["body"],
        person=person,
        run=run,
        policy=policy,
        model=judged["model"],
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    promoted = tasks.promote(run, policy, judged["expected"], person)
    register >> base >> [report, approve]
    report >> approve >> promoted
    tasks.aliases(promoted, run)


DAG = ddpo_promote()
