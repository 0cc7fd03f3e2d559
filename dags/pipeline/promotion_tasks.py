"""The tasks between a registered policy and a model's champion.

Their truth is the promotion log in the store: a task that is cleared finds its own entry there, and an approval that
comes after a newer champion is refused.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, AssetAlias, TriggerRule, task, task_group
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.core import campaign
from components.core.contracts import StepName
from components.core.errors import StepError
from components.core.layout import RunLayout
from dags.pipeline import notifications, promotions
from dags.pipeline.exit_codes import failure, scheduled_errors
from dags.pipeline.notifications import Notification
from dags.pipeline.reports import ReportLink
from dags.pipeline.steps import step_task
from dags.pipeline.tasks import PATIENT, run_of

log = logging.getLogger(__name__)

APPROVAL_HOURS = float(os.environ.get("DDPO_APPROVAL_HOURS") or 24)
"""Hours in which a person must approve. After them the policy is rejected: silence is no consent."""

CHAMPIONS = AssetAlias("ddpo-champion")
"""Whoever schedules on it is run for every new champion, whichever model it belongs to."""


def champion_asset(model: str) -> Asset:
    """What announces a model's new champion: schedule on it to deploy."""
    return Asset(uri=f"ddpo://champion/{model}", name=f"ddpo-champion-{model}")


@task.short_circuit(**PATIENT)
def judge(params: dict[str, Any], ti: Any) -> list[dict[str, str]] | None:
    """Hold the policy against the gates, with the champion of now. What is refused ends here, and is no error."""
    with scheduled_errors():
        judged = promotions.judge(run_of(params), params["policy"])
        log.info("%s", promotions.as_text(judged))
        run = judged.state.run
        if not judged.gates.passed:
            log.info("refused: %s", judged.gates.refused)
            notifications.send(
                Notification(
                    kind="refused",
                    run=run.run_id,
                    policy=judged.policy,
                    model=judged.model,
                    text=f"not promoted to champion of {judged.model}: {judged.gates.refused}",
                )
            )
            return None
        ti.xcom_push(key="run", value=run.uri)
        ti.xcom_push(key="policy", value=judged.policy)
        ti.xcom_push(key="expected", value=judged.expected)
        ti.xcom_push(key="person", value=judged.needs_person or "")
        ti.xcom_push(key="model", value=judged.model)
        subject = f"Policy {judged.policy} of {run.run_id} as champion of {judged.model}?"
        ti.xcom_push(key="subject", value=subject)
        ti.xcom_push(key="body", value=promotions.as_markdown(judged))
        return [{"request": uri} for uri in promotions.registrations(judged)]


@task_group
def register(request: Any) -> None:
    """The policy, and where the model has no champion yet, the base. What is registered already costs nothing."""
    step_task(StepName.REGISTRATION, request)


@task(**PATIENT)
def base(run: str) -> None:
    """The base is entry 0 of the promotion log: what a model starts from, and what a rollback ends at."""
    with scheduled_errors():
        entry = promotions.begin(campaign.load(RunLayout(run)))
    if entry is None:
        raise AirflowSkipException("the log of promotions has begun already")
    log.info("%s is champion of %s until a policy is promoted", entry.policy_id, entry.model)


class ApprovePromotion(ApprovalOperator):
    """Ask a person; an answer that does not come is a rejection. Skipped where the config leaves it to the gates."""

    template_fields: Sequence[str] = (*ApprovalOperator.template_fields, "person", "run", "policy", "model")

    def __init__(self, *, person: Any, run: Any, policy: Any, model: Any, **kwargs: Any) -> None:
        super().__init__(
            defaults=self.REJECT, response_timeout=timedelta(hours=APPROVAL_HOURS), **kwargs
        )  # both: a timeout without defaults is an error, defaults without a timeout wait for ever
        self.person = person
        self.run = run
        self.policy = policy
        self.model = model

    def execute(self, context: Any) -> None:
        """Show the gates and wait."""
        if not self.person:
            raise AirflowSkipException("the config leaves it to the gates, and they passed")
        links = _links(context["ti"])
        if links:
            self.body: str = "\n\n".join(
                [str(self.body), " · ".join(f"[{name}]({url})" for name, url in links.items())]
            )
        page = self.generate_link_to_ui_from_context(context=context)
        text = f"{self.person}: approve within {APPROVAL_HOURS:g} h, or it is rejected"
        self._tell("approval wanted", text, {"Approve or reject": page, **links})
        super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Take the answer."""
        if self.REJECT in event.get("chosen_options", ()):
            user = event.get("responded_by_user")
            self._tell("rejected", f"by {_name(user)}" if user else f"nobody answered in {APPROVAL_HOURS:g} h", {})
        return super().execute_complete(context, event)

    def _tell(self, kind: notifications.Kind, text: str, links: dict[str, str]) -> None:
        run = RunLayout(str(self.run)).run_id
        notifications.send(
            Notification(kind=kind, run=run, policy=int(self.policy), model=str(self.model), text=text, links=links)
        )


@task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, **PATIENT)
def promote(run: str, policy: int, expected: int, person: str, ti: Any) -> dict[str, Any]:
    """Append to the promotion log. Red, with exit code 73, where another policy became champion meanwhile."""
    answer = ti.xcom_pull(task_ids="approve") if person else None
    if person and (answer or {}).get("chosen_options") != [ApprovePromotion.APPROVE]:
        raise AirflowFailException(f"nobody approved ({person}): a task that is marked a success is no answer")
    by = _name((answer or {}).get("responded_by_user")) if person else promotions.AUTOMATIC
    reason = f"approved: {person}" if person else "the gates passed"
    with scheduled_errors():
        state = campaign.load(RunLayout(run))
        entry = promotions.promote(state, policy, expected=expected, by=by, reason=reason)
    text = f"champion of {entry.model}, entry {entry.number}, approved by {by}"
    notifications.send(Notification(kind="promoted", run=state.run.run_id, policy=policy, model=entry.model, text=text))
    log.info("%s", text)
    return {"policy_id": entry.policy_id, "run": entry.run, "policy": policy, "number": entry.number}


@task(outlets=[CHAMPIONS], **PATIENT)
def aliases(promoted: dict[str, Any], run: str, outlet_events: Any) -> None:
    """MLflow's aliases follow the log; then the new champion is announced.

    The promotion itself is safe: while MLflow is away this is tried again, and red in the end. Clear it then.
    """
    from components.core import tracking

    layout = RunLayout(run)
    model = campaign.load(layout).config.registration.model
    try:
        shown = tracking.project_aliases(layout.store, model)
    except StepError as error:
        said = f"{error.message}: the promotion stands in the store, only MLflow's alias lags; clear this task later"
        raise failure(error.exit_code, said) from error
    extra = {key: promoted[key] for key in ("policy_id", "run", "policy")} | {"version": shown.champion_version}
    if shown.champion != promoted["policy_id"]:
        log.info("a newer champion is there already: %s", shown.champion)
        return
    outlet_events[CHAMPIONS].add(champion_asset(model), extra=extra)
    log.info("models:/%s@champion is version %s", model, shown.champion_version)


def _links(ti: Any) -> dict[str, str]:
    """The report, and the run's page in MLflow, where the report's task could make them."""
    report = ti.xcom_pull(task_ids="report", key=ReportLink().xcom_key)
    if not report:
        return {}
    page, found, _ = str(report).partition("/artifacts")
    return {"Report": str(report)} | ({"MLflow": page} if found and page.startswith("http") else {})


def _name(user: Any) -> str:
    return str((user or {}).get("name") or (user or {}).get("id") or "unknown")
