"""The light tasks around the scorings of `ddpo_rescore`: they plan, and put what was committed into a table."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import TriggerRule, task, task_group

from components.core import campaign, rescoring
from components.core.config import RewardConfig
from components.core.contracts import StepName
from dags.pipeline import rescoring as stored
from dags.pipeline.exit_codes import scheduled_errors
from dags.pipeline.steps import step_task
from dags.pipeline.tasks import PATIENT, run_of

log = logging.getLogger(__name__)


def scorer_of(params: dict[str, Any]) -> RewardConfig:
    """The reward that the form names."""
    return RewardConfig(name=params["reward"], options=params["options"] or {})


@task(**PATIENT)
def plan(params: dict[str, Any]) -> list[dict[str, str]]:
    """Commit the requests of all iterations or evaluations that are whole; hand on those that nobody has answered."""
    with scheduled_errors():
        state = campaign.load(run_of(params))
        planned = stored.plan(state, scorer_of(params), params["what"], every=params["every"])
        log.info("%d shards to be scored, %d are scored already", len(planned.requests), planned.done)
        for prefix in planned.undrawn:
            log.warning("left out, its pictures are not committed: %s", prefix)
        return [{"request": uri} for uri in planned.requests]


@task_group
def shards(request: Any) -> None:
    """One shard."""
    step_task(StepName.SCORING, request)


@task(trigger_rule=TriggerRule.NONE_FAILED, **PATIENT)  # nothing new is no reason to write no table
def table(params: dict[str, Any]) -> None:
    """Commit the table of everything that this scorer has scored of the run."""
    with scheduled_errors():
        committed = rescoring.commit_table(campaign.load(run_of(params)), scorer_of(params))
        log.info("%s\n%s", committed.scorer, stored.as_text(committed))
