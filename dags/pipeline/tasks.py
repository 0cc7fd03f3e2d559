"""The light tasks of an iteration, around its steps: they plan, track and decide, and move nothing but URIs.

They read the store through `components.core` only, so a scheduler's worker needs neither torch nor a GPU.
"""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import TriggerRule, task, task_group
from airflow.sdk.exceptions import AirflowSkipException

from components.core import campaign, deployment
from components.core.campaign import Campaign, Decision
from components.core.contracts import StepName
from components.core.layout import RunLayout
from dags.pipeline import comparisons, notifications, plans, promotions
from dags.pipeline.dag_names import iteration_run_id, promotion_run_id
from dags.pipeline.exit_codes import scheduled_errors
from dags.pipeline.notifications import Notification
from dags.pipeline.redaction import redacted, redacted_traceback
from dags.pipeline.steps import MAX_RETRY_DELAY, RETRY_DELAY, step_task

log = logging.getLogger(__name__)

PATIENT: dict[str, Any] = {
    "retries": 3,
    "retry_delay": RETRY_DELAY,
    "retry_exponential_backoff": 2,
    "max_retry_delay": MAX_RETRY_DELAY,
}
"""The store may be busy or away for a while."""


def run_of(params: dict[str, Any]) -> RunLayout:
    """The run that the form names, by id or by URI."""
    return RunLayout.of(deployment.from_environment().store, str(params["run"]))


@task_group
def sample_and_score(sampling: Any, scoring: Any) -> None:
    """One shard. Scoring begins as soon as its own shard is drawn: no barrier stands between the shards."""
    step_task(StepName.SAMPLING, sampling) >> step_task(StepName.SCORING, scoring)


@task(**PATIENT)
def plan(params: dict[str, Any], ti: Any) -> list[dict[str, str]]:
    """Commit the requests of this iteration."""
    with scheduled_errors():
        planned = plans.plan_iteration(run_of(params), params["iteration"])
        for step in (StepName.PROMPTS, StepName.TRAINING):
            ti.xcom_push(key=str(step), value=planned.uri(step))
        return planned.shards()


@task.short_circuit(ignore_downstream_trigger_rules=False, **PATIENT)
def plan_evaluation(params: dict[str, Any], ti: Any) -> list[dict[str, str]] | None:
    """Commit the requests of the new policy's evaluation; if it is not due, the evaluation is skipped."""
    with scheduled_errors():
        state = campaign.load(run_of(params))
        policy = params["iteration"] + 1
        if not campaign.evaluation_owed(state, policy):
            log.info("policy %d is not due: every %d are, and the last", policy, state.config.evaluation.every)
            return None
        planned = plans.plan_evaluation(state, policy)
        ti.xcom_push(key="evaluation", value=planned.uri("evaluation"))
        return planned.shards()


@task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
def track(run: str) -> None:
    """Show the run in MLflow. Nothing depends on it: if MLflow is away the task is skipped, and is replayed later."""
    try:
        from components.core import tracking

        tracking.project(run_of({"run": run}))
    except Exception as error:
        log.warning(
            "MLflow does not show this yet; `ddpo track` or the next iteration does\n%s", redacted_traceback(error)
        )
        raise AirflowSkipException(f"not tracked: {redacted(str(error))}") from None


@task.branch(trigger_rule=TriggerRule.NONE_FAILED, **PATIENT)
def decide(params: dict[str, Any], ti: Any) -> str | None:
    """Go on, or register the best policy and end: from what is committed, however often it is asked."""
    with scheduled_errors():
        run = run_of(params)
        state = campaign.load(run)
        decision = campaign.decide(state)
        log.info("%s: %s", decision.action, decision.reason)
        _tell_verdict(state, policy=params["iteration"] + 1)
        if decision.next_iteration is not None:
            ti.xcom_push(key="conf", value={"run": run.uri, "iteration": decision.next_iteration})
            ti.xcom_push(key="run_id", value=iteration_run_id(run, decision.next_iteration))
            return "trigger_next"
        best = campaign.best_policy(state)
        _tell_end(state, decision, best)
        if best == 0 or not state.config.registration.enabled:
            return None
        ti.xcom_push(key="registration", value=plans.plan_registration(state, best).uri("registration"))
        ti.xcom_push(key="promotion", value={"run": run.uri, "policy": best})
        ti.xcom_push(key="promotion_run_id", value=promotion_run_id(run, best))
        return "register"


def _tell_verdict(state: Campaign, policy: int) -> None:
    """What the guard says of this iteration's policy: once, and to people only where it has something against it."""
    if not state.verdicts or state.verdicts[-1].policy != policy:
        return
    log.info("%s", promotions.verdict_line(state))
    verdict = state.verdicts[-1]
    if verdict.level != "pass" and not comparisons.is_part(state):
        text = f"the guard says {verdict.level}: {verdict.said}"
        notifications.send(Notification(kind="verdict", run=state.run.run_id, policy=policy, text=text))


def _tell_end(state: Campaign, decision: Decision, best: int) -> None:
    if best:
        what = f"its best policy is {best}"
    else:
        what = "no policy of it is fit to be registered: it falls back to where it started"
        log.warning("nothing is registered: %s", what)
    if comparisons.is_part(state):
        return
    text = f"{decision.reason}; {what}"
    policy = best or None
    notifications.send(Notification(kind="finished", run=state.run.run_id, policy=policy, text=text))
