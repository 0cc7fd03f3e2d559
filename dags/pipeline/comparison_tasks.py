"""The tasks of `ddpo_compare`: they open, choose, hand each run to `ddpo_retrain` and wait, and draw the result."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import TriggerRule, task

from components.core import comparison, deployment, store
from components.core import comparison_tuning as tuning
from components.core.comparison import ComparedRun, Comparison
from components.core.errors import BadRequest
from dags.pipeline import comparisons
from dags.pipeline.dag_names import RETRAIN_DAG, campaign_name
from dags.pipeline.environment import TRACKING_STEP
from dags.pipeline.exit_codes import scheduled_errors
from dags.pipeline.profiles import operator_class
from dags.pipeline.reports import LONGEST
from dags.pipeline.tasks import PATIENT

log = logging.getLogger(__name__)

POLL_SECONDS = 60
AT_ONCE = 2
"""Campaigns of comparisons under way: others, such as a scheduled one, must not wait behind forty."""


@task(**PATIENT)
def open_comparison(params: dict[str, Any], ti: Any) -> list[dict[str, Any]]:
    """Freeze the comparison, or go on with the one of that name; hand on the tuning runs that are not finished."""
    with scheduled_errors():
        places = deployment.from_environment()
        store.probe(places.store)
        opened = comparisons.open_comparison(
            params["comparison"], places, params["overrides"] or (), as_name=params["name"]
        )
        ti.xcom_push(key="comparison", value=opened.uri)
        return _handed_on(opened, opened.tuning_runs())


@task(trigger_rule=TriggerRule.NONE_FAILED, **PATIENT)  # nothing to tune is no reason to compare nothing
def choose_rates(uri: str) -> list[dict[str, Any]]:
    """Commit the choice of the learning rates, and hand on the runs that are not finished."""
    with scheduled_errors():
        opened = comparison.load(uri)
        if opened.config.tunes and tuning.tuned(opened) is None:
            tuning.commit_tuning(opened)
        if (chosen := tuning.tuned(opened)) is not None:
            log.info("\n%s", comparisons.tuning_text(chosen.rates))
        rates = tuning.rates(opened)
        if rates is None:
            raise BadRequest(f"{opened.name}: no learning rates were chosen")
        return _handed_on(opened, opened.runs(rates))


def campaigns(task_id: str) -> Any:
    """One `ddpo_retrain` a run, waited for without a worker. One that ended is cleared: it does no step twice."""
    return TriggerDagRunOperator.partial(
        task_id=task_id,
        trigger_dag_id=RETRAIN_DAG,
        logical_date=None,
        reset_dag_run=True,
        wait_for_completion=True,
        deferrable=True,
        poke_interval=POLL_SECONDS,
        max_active_tis_per_dag=AT_ONCE,
        **PATIENT,
    )


Step: Any = operator_class()


class ComparisonOperator(Step):
    """Draw a comparison, commit it, and show it in MLflow: where the profile runs the step that speaks to MLflow."""

    template_fields: Sequence[str] = (*(field for field in Step.template_fields if field != "request"), "comparison")
    ui_color = "#e9e6f4"

    def __init__(self, *, comparison: Any, **kwargs: Any) -> None:
        super().__init__(step=TRACKING_STEP, request="", **PATIENT | {"execution_timeout": LONGEST} | kwargs)
        self.comparison = comparison

    def execute(self, context: Any) -> None:
        """Run the command to its commit."""
        self.run_instead(command(str(self.comparison)))
        super().execute(context)


def command(uri: str) -> list[str]:
    """What draws a comparison, commits it, and hands it to MLflow."""
    return ["python", "-m", "components.evaluation.comparison_report", "--comparison", uri, "--track"]


def _handed_on(opened: Comparison, runs: list[ComparedRun]) -> list[dict[str, Any]]:
    """Open what is not finished; arguments of its campaign's trigger."""
    missing = comparisons.wanted(runs)
    log.info("%s: %d of %d runs are to be made", opened.name, len(missing), len(runs))
    layouts = [comparisons.open_run(opened, run) for run in missing]
    return [{"trigger_run_id": campaign_name(run), "conf": {"preset": None, "run_id": run.uri}} for run in layouts]
