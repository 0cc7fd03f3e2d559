"""The light tasks of a campaign: is there a reason to train, where does it start, and which run is it."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException

from components.core import audit, campaign, deployment, opening, promotion, retraining, store
from components.core.campaign import Campaign
from components.core.config import RunConfig
from components.core.errors import BadRequest
from components.core.layout import RunLayout
from dags.pipeline import plans, presets
from dags.pipeline.dag_names import iteration_run_id
from dags.pipeline.exit_codes import scheduled_errors
from dags.pipeline.tasks import PATIENT

log = logging.getLogger(__name__)


@task(max_active_tis_per_dag=1, **PATIENT)  # of two that find nothing unfinished at once, both would start
def open_run(params: dict[str, Any], dag_run: Any, ti: Any) -> list[dict[str, str]]:
    """Freeze the config under the run's id, or find the run that is there, and plan its baseline evaluation."""
    with scheduled_errors():
        state = campaign.load(_opened(params, dag_run))
        planned = plans.plan_evaluation(state, 0)
        ti.xcom_push(key="run", value=state.run.uri)
        ti.xcom_push(key="prompts", value=planned.uri("prompts"))
        ti.xcom_push(key="evaluation", value=planned.uri("evaluation"))
        return planned.shards()


@task.branch(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS, **PATIENT)  # whether MLflow was there or not
def begin(run: str, ti: Any) -> str:
    """Trigger the iteration that comes next; none where the run has ended, or its start is past a cap already."""
    with scheduled_errors():
        state = campaign.load(RunLayout(run))
        decision = campaign.decide(state)
        log.info("%s: %s", decision.action, decision.reason)
        if decision.next_iteration is None:
            return "wait_for_the_end"
        _require_audit(state)
        ti.xcom_push(key="conf", value={"run": run, "iteration": decision.next_iteration})
        ti.xcom_push(key="run_id", value=iteration_run_id(state.run, decision.next_iteration))
        return "trigger_first"


def _opened(params: dict[str, Any], dag_run: Any) -> RunLayout:
    places = deployment.from_environment()
    preset, run_id = params["preset"], params["run_id"]
    if preset is None:
        return RunLayout.of(places.store, run_id or "")
    store.probe(places.store)
    run = RunLayout.of(places.store, run_id or f"{preset}-{dag_run.run_after:%Y%m%d-%H%M%S}")
    existing = _existing(run)
    config = _config(params, places.store, existing)
    if existing is None:
        retraining.refuse_unfinished(places.store, preset, but=run.run_id)
        _require_news(places.store, preset, config, force=bool(params["force"]))
    return opening.open_run(places.store, run.run_id, config, preset=preset)


def _existing(run: RunLayout) -> Campaign | None:
    """The run, where an earlier try, or a person, has opened it already."""
    return campaign.load(run) if store.find(run.uri) is not None else None


def _config(params: dict[str, Any], store_uri: str, existing: Campaign | None) -> RunConfig:
    """What the form asks for. Champion and next seed are those of the first try: a later one would find its own run."""
    preset, seed = params["preset"], params["seed"]
    config = presets.resolve(preset, params["overrides"] or (), iterations=params["iterations"], seed=seed)
    update: dict[str, Any] = {}
    if params["start"] == "champion":
        update["start_adapter"] = existing.config.start_adapter if existing else _champion(store_uri, config)
    if seed is None and params["seed_policy"] == "advance":
        update["seed"] = (
            existing.config.seed if existing else retraining.next_seed(store_uri, preset, config, "advance")
        )
    return config.model_copy(update=update)


def _champion(store_uri: str, config: RunConfig) -> str | None:
    """Training of the model's champion; None, the base, where it has none or the base is."""
    champion = promotion.champion(store_uri, config.registration.model)
    log.info(
        "starts from %s", f"policy {champion.policy} of {champion.run}" if champion else "the base: no champion yet"
    )
    return champion.training if champion else config.start_adapter


def _require_news(store_uri: str, preset: str, config: RunConfig, *, force: bool) -> None:
    reasons = retraining.reasons(store_uri, preset, config)
    log.info("why this run: %s", reasons.said)
    if reasons.previous is not None and not reasons.changed and not force:
        raise AirflowSkipException(f"{reasons.said}: the same training again would teach nothing; `force` runs it")


def _require_audit(state: Campaign) -> None:
    """Where the config requires an audit, spend nothing on a reward without one. The run's start is scored by now."""
    if state.config.promotion.audit != "required":
        return
    found = audit.audited(state)
    if found is None or found.level in (None, "fail"):
        said = found.said if found else "no audit"
        hint = "then clear this task, or `ddpo resume`; docs/runbooks/audit-a-reward.md"
        raise BadRequest(f"the config requires an audit: {said}", hint=hint)
    log.info("%s", found.said)
