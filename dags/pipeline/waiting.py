"""Wait for the end of a campaign without holding a worker: a trigger looks at the store and at Airflow's DAG runs.

ended      the campaign has decided to finish, and none of its iterations runs any more
failed     an iteration's DAG run failed
dead       it has not finished, yet no iteration is queued or running, and none has come for a while: the next DAG
           run was never made, or somebody deleted it
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.triggers.base import BaseTrigger, TriggerEvent

from components.core import campaign
from components.core.campaign import Campaign
from components.core.errors import StepError
from components.core.layout import RunLayout
from dags.pipeline.dag_names import ITERATION_DAG, RETRAIN_DAG, iteration_run_id
from dags.pipeline.exit_codes import failure
from dags.pipeline.promotions import verdict_line

POLL_SECONDS = 20.0
LONGEST_WAIT = timedelta(days=30)
DEAD_MINUTES = float(os.environ.get("DDPO_DEAD_LOOP_MINUTES", "30"))
"""Minutes without an iteration, queued or running, after which a loop is dead. Below a restart's it cries wolf."""


@dataclass(frozen=True)
class Seen:
    """One look at a campaign."""

    iterations: int
    """Trained so far."""
    finished: bool
    active: int
    """Its newest iterations' DAG runs that are queued or running."""
    failed: int


@dataclass
class Watch:
    """What a row of looks amounts to. A look that shows life or progress starts the patience again."""

    patience: float
    """Seconds."""
    quiet_since: float | None = None
    iterations: int = -1

    def judge(self, seen: Seen, now: float) -> str | None:
        """`ended`, `failed`, `dead`, or None: look again."""
        if seen.failed:
            return "failed"
        if seen.finished:
            return "ended" if not seen.active else None
        if seen.active or seen.iterations != self.iterations or self.quiet_since is None:
            self.quiet_since, self.iterations = now, seen.iterations
            return None
        return "dead" if now - self.quiet_since >= self.patience else None


class CampaignTrigger(BaseTrigger):
    """Fires once, when the campaign of `run` has ended, failed or died."""

    def __init__(self, run: str, patience: float, poll_seconds: float = POLL_SECONDS) -> None:
        super().__init__()
        self.run_uri = run
        self.patience = patience
        self.poll_seconds = poll_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Where the triggerer finds this class, and its arguments."""
        return (
            "dags.pipeline.waiting.CampaignTrigger",
            {"run": self.run_uri, "patience": self.patience, "poll_seconds": self.poll_seconds},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look again and again. A store that is away for a while is no news; what cannot get better is."""
        watch = Watch(self.patience)
        while True:
            try:
                state = await asyncio.to_thread(campaign.load, RunLayout(self.run_uri))
                event = watch.judge(await look(state), time.monotonic())
            except StepError as error:
                if not error.retried:
                    yield TriggerEvent({"event": "error", "message": str(error), "code": error.exit_code})
                    return
                self.log.warning("%s", error)
                event = None
            if event is not None:
                yield TriggerEvent({"event": event})
                return
            await asyncio.sleep(self.poll_seconds)


async def look(state: Campaign) -> Seen:
    """A campaign, and its newest DAG runs."""
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
    from asgiref.sync import sync_to_async

    count = sync_to_async(RuntimeTaskInstance.get_dr_count)
    newest = newest_runs(state)
    return Seen(
        iterations=state.next_iteration,
        finished=campaign.decide(state).action == "finish",
        active=await count(ITERATION_DAG, run_ids=newest, states=["queued", "running"]),
        failed=await count(ITERATION_DAG, run_ids=newest, states=["failed"]),
    )


def newest_runs(state: Campaign) -> list[str]:
    """Names of the DAG runs of the newest iteration and the next: no other can be at work."""
    return [iteration_run_id(state.run, k) for k in (state.next_iteration - 1, state.next_iteration) if k >= 0]


class WaitForTheEnd(BaseOperator):
    """Ends as the campaign does: green with its outcome, red where an iteration failed or the loop is dead."""

    template_fields: Sequence[str] = ("run",)
    ui_color = "#f2ecdf"

    def __init__(self, *, run: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run = run

    def execute(self, context: Any) -> None:
        """Hand over to the trigger."""
        self.defer(
            trigger=CampaignTrigger(str(self.run), patience=DEAD_MINUTES * 60),
            method_name="ended",
            timeout=LONGEST_WAIT,
        )

    def ended(self, context: Any, event: dict[str, Any]) -> str:
        """Say how it ended."""
        if event["event"] == "error":
            raise failure(int(event["code"]), str(event["message"]))
        try:
            state = campaign.load(RunLayout(str(self.run)))
        except StepError as error:
            raise failure(error.exit_code, str(error)) from error
        if event["event"] == "ended":
            return outcome(state)
        newest = " or ".join(newest_runs(state))
        if event["event"] == "failed":
            raise AirflowFailException(
                f"an iteration of {state.run.run_id} failed: look at {newest}, clear its red task, then this"
            )
        if event["event"] == "dead":
            raise AirflowFailException(
                f"the loop of {state.run.run_id} is dead: {campaign.decide(state).reason}, and for {DEAD_MINUTES:g} "
                f"min no DAG run of it was queued or running. Trigger {RETRAIN_DAG} with no preset and this run id"
            )
        raise AirflowException(f"no such event: {event}")


def outcome(state: Campaign) -> str:
    """How a campaign ended, in one line."""
    best = campaign.best_policy(state)
    parts = [campaign.decide(state).reason, f"best policy {best}" if best else "no policy is fit", verdict_line(state)]
    return f"run {state.run.run_id}: " + "; ".join(part for part in parts if part)
