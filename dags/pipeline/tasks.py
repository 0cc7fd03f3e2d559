"""The light tasks around the steps: they plan, decide and wait, and move nothing but URIs.

They read the store through `components.core` only, so a scheduler's worker needs neither torch nor a GPU.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from airflow.sdk import TriggerRule, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.core import campaign, deployment, opening, store
from components.core.contracts import StepName
from components.core.layout import RunLayout
from components.core.plan import evaluation_due
from dags.pipeline import plans, presets
from dags.pipeline.exit_codes import scheduled_errors
from dags.pipeline.steps import MAX_RETRY_DELAY, RETRY_DELAY, step_task

log = logging.getLogger(__name__)

ITERATION_DAG = "ddpo_iteration"
PATIENT: dict[str, Any] = {
    "retries": 3,
    "retry_delay": RETRY_DELAY,
    "retry_exponential_backoff": 2,
    "max_retry_delay": MAX_RETRY_DELAY,
}
"""The store may be busy or away for a while."""


def iteration_run_id(run: RunLayout, k: int) -> str:
    """Name of the DAG run of an iteration: a second one of that name is refused."""
    return f"{run.run_id}-it-{k:04d}"


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
        if not state.stopping and not evaluation_due(state.config, policy, state.iterations):
            log.info("policy %d is not due: every %d are", policy, state.config.evaluation.every)
            return None
        planned = plans.plan_evaluation(state, policy)
        ti.xcom_push(key="evaluation", value=planned.uri("evaluation"))
        return planned.shards()


@task(trigger_rule=TriggerRule.NONE_FAILED)
def track(run: str) -> None:
    """Show the run in MLflow. Nothing depends on it: if MLflow is away the task is skipped, and is replayed later."""
    try:
        from components.core import tracking

        tracking.project(run_of({"run": run}))
    except Exception as error:
        log.warning("MLflow does not show this yet; `ddpo track` or the next iteration does", exc_info=True)
        raise AirflowSkipException(f"not tracked: {error}") from error


@task.branch(trigger_rule=TriggerRule.NONE_FAILED, **PATIENT)
def decide(params: dict[str, Any], ti: Any) -> str | None:
    """Go on, or register the best policy and end: from what is committed, however often it is asked."""
    with scheduled_errors():
        run = run_of(params)
        state = campaign.load(run)
        decision = campaign.decide(state)
        log.info("%s: %s", decision.action, decision.reason)
        if decision.next_iteration is not None:
            ti.xcom_push(key="conf", value={"run": run.uri, "iteration": decision.next_iteration})
            ti.xcom_push(key="run_id", value=iteration_run_id(run, decision.next_iteration))
            return "trigger_next"
        best = campaign.best_policy(state)
        if best == 0 or not state.config.registration.enabled:
            return None
        ti.xcom_push(key="registration", value=plans.plan_registration(state, best).uri("registration"))
        return "register"


@task(**PATIENT)
def open_run(params: dict[str, Any], dag_run: Any, ti: Any) -> list[dict[str, str]]:
    """Freeze the config under the run's id, or find the run that is there, and plan its baseline evaluation."""
    with scheduled_errors():
        state = campaign.load(_opened(params, dag_run))
        planned = plans.plan_evaluation(state, 0)
        first = min(state.next_iteration, state.iterations - 1)  # of a finished run, the last: it finds all done
        ti.xcom_push(key="run", value=state.run.uri)
        ti.xcom_push(key="prompts", value=planned.uri("prompts"))
        ti.xcom_push(key="evaluation", value=planned.uri("evaluation"))
        ti.xcom_push(key="conf", value={"run": state.run.uri, "iteration": first})
        ti.xcom_push(key="run_id", value=iteration_run_id(state.run, first))
        return planned.shards()


def _opened(params: dict[str, Any], dag_run: Any) -> RunLayout:
    places = deployment.from_environment()
    preset, run_id = params["preset"], params["run_id"]
    if preset is None:
        return RunLayout.of(places.store, run_id or "")
    config = presets.resolve(preset, params["overrides"] or (), iterations=params["iterations"], seed=params["seed"])
    store.probe(places.store)
    return opening.open_run(places.store, run_id or f"{preset}-{dag_run.run_after:%Y%m%d-%H%M%S}", config)


@task.sensor(
    trigger_rule=TriggerRule.NONE_FAILED,  # the first iteration may be there already, and its trigger skipped
    poke_interval=20,
    mode="reschedule",
    timeout=timedelta(days=30).total_seconds(),
)
def wait_for_the_end(run: str, ti: Any) -> bool:
    """Wait, without a worker, until the campaign has ended or one of its iterations has failed."""
    with scheduled_errors():
        state = campaign.load(RunLayout(run))
    newest = [iteration_run_id(state.run, k) for k in (state.next_iteration - 1, state.next_iteration) if k >= 0]
    if ti.get_dr_count(ITERATION_DAG, run_ids=newest, states=["failed"]):
        raise AirflowFailException(
            f"an iteration of {state.run.run_id} failed: look at {' or '.join(newest)}, clear its red task, then this"
        )
    ended = campaign.decide(state).action == "finish"
    return ended and not ti.get_dr_count(ITERATION_DAG, run_ids=newest, states=["queued", "running"])
