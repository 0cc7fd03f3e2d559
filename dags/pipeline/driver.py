"""`ddpo run`: drive the real DAGs on this machine, without a server, in one warm process.

`dag.test()` runs a DAG's tasks one after another. The tasks that hand over to the scheduler (trigger the next run,
wait) are marked done instead, and this loop takes their place: it asks the store what comes next, as `decide` does. At
the end it promotes, where the config leaves that to the gates; a person is never waited for. Each DAG run has the id
that the scheduler would give it, so that `make up` shows the same runs with their logs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from components.core import campaign, store
from components.core.campaign import Campaign
from components.core.deployment import Deployment
from components.core.errors import Conflict, StepError
from components.core.layout import RunLayout
from dags.pipeline import airflow_home, locks, notifications, promotions, services
from dags.pipeline.dag_names import (
    ITERATION_DAG,
    PROMOTE_DAG,
    RETRAIN_DAG,
    campaign_name,
    iteration_run_id,
    promotion_run_id,
)
from dags.pipeline.display import Display
from dags.pipeline.diverted import Diverted
from dags.pipeline.notifications import Notification

if TYPE_CHECKING:
    from dags.pipeline.task_listener import FailedTask, TaskListener

HANDED_OVER = "trigger_first|trigger_next|trigger_promote|wait_for_the_end"
"""Tasks that the scheduler would act on; here this module does."""
REPORTED = "report"
"""The task that the last iteration has done just before the promotion."""


def refuse_beside_scheduler(places: Deployment, dag_id: str = RETRAIN_DAG) -> None:
    """Raise Conflict while Airflow's services are up here. Before a run is opened: it would be in a schedule's way."""
    if (running := services.any_up(places)) is not None:
        raise Conflict(
            f"Airflow's services are up at {running.urls['Airflow']}, and its scheduler would run the same tasks",
            hint=f"trigger {dag_id} there, or `ddpo down` first",
        )


def drive(
    run: RunLayout,
    places: Deployment,
    *,
    display: Callable[[TextIO, int], Display] = Display,
    handed_over: str = HANDED_OVER,
) -> None:
    """Take an open run to its end: baseline evaluation, then iterations until the campaign decides to finish.

    Raises the step's own StepError if a task fails for good, and Conflict if somebody else is driving this run.
    """
    refuse_beside_scheduler(places)
    with locks.alone(run, places), Diverted(log_path(run, places)) as output:
        state = campaign.load(run)
        with display(output.terminal, state.iterations) as shown:
            _Driver(run, places, output, shown, handed_over).drive()


def drive_once(run: RunLayout, places: Deployment, dag_id: str, run_id: str, conf: dict[str, Any], total: int) -> None:
    """Run one DAG run of an open run here: not its loop. `total` is how many tasks of a shard it will have.

    Raises as `drive` does.
    """
    refuse_beside_scheduler(places, dag_id)
    with (
        locks.alone(run, places),
        Diverted(log_path(run, places)) as output,
        Display(output.terminal, total) as display,
    ):
        _Driver(run, places, output, display).once(dag_id, run_id, conf)


def log_path(run: RunLayout, places: Deployment) -> Path:
    """Everything that is not a task's own log: Airflow's messages, and tracebacks."""
    return places.logs / f"run-{campaign_name(run)}.log"


class _Driver:
    """One run, from where it is to its end."""

    def __init__(
        self,
        run: RunLayout,
        places: Deployment,
        output: Diverted,
        display: Display,
        handed_over: str = HANDED_OVER,
    ) -> None:
        self.run = run
        self.display = display
        self.handed_over = handed_over
        airflow_home.configure(places, AIRFLOW__LOGGING__JSON_LOGS="True", DDPO_STEPS="in-process")
        airflow_home.migrate(places)
        from dags.pipeline import dag_runs
        from dags.pipeline.task_listener import TaskListener

        dag_runs.end_abandoned(places)
        self.dag_runs = dag_runs
        self.listener: TaskListener = TaskListener(output, display.doing, self._retried)

    def drive(self) -> None:
        """Baseline, iterations, promotion."""
        with self.dag_runs.listening(self.listener):
            self._baseline()
            self.display.update(campaign.load(self.run))
            while (k := self._next_iteration()) is not None:
                self._dag_run(ITERATION_DAG, iteration_run_id(self.run, k), {"iteration": k})
                self.display.update(campaign.load(self.run))
            self._promote()

    def once(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """One DAG run."""
        with self.dag_runs.listening(self.listener):
            self._dag_run(dag_id, run_id, conf)

    def _baseline(self) -> None:
        # The store decides: Airflow may remember a run of this name in another store, or in one that is gone.
        whole, name = store.find(self.run.report(0)) is not None, campaign_name(self.run)
        if not whole or not self.dag_runs.succeeded(RETRAIN_DAG, name):
            self._dag_run(RETRAIN_DAG, name, {"preset": None, "run_id": self.run.uri})

    def _next_iteration(self) -> int | None:
        """The first iteration whose DAG run has not gone through, though its training may be committed."""
        state = campaign.load(self.run)
        newest = state.next_iteration - 1
        done = newest < 0 or self.dag_runs.succeeded(ITERATION_DAG, iteration_run_id(self.run, newest))
        if not done or not newest_is_whole(state):
            return newest
        return campaign.decide(state).next_iteration

    def _promote(self) -> None:
        """Where the gates may decide alone, let them; a run without a registry has nothing to promote."""
        if not campaign.load(self.run).config.registration.enabled:
            return
        judged = promotions.judge(self.run)
        if judged.gates.passed and judged.needs_person is None:
            conf = {"policy": judged.policy}
            self._dag_run(PROMOTE_DAG, promotion_run_id(self.run, judged.policy), conf, f"{HANDED_OVER}|{REPORTED}")

    def _dag_run(self, dag_id: str, run_id: str, conf: dict[str, Any], handed_over: str = "") -> None:
        dag = importlib.import_module(f"dags.{dag_id}").DAG
        self.listener.failed.clear()
        state = self.dag_runs.run(dag, run_id, {"run": self.run.uri, **conf}, handed_over or self.handed_over)
        if state != "success":
            failure = self._failure(f"{dag_id} {run_id} ended as {state}")
            notifications.send(Notification(kind="failed", run=self.run.run_id, text=f"{dag_id} {run_id}: {failure}"))
            raise failure

    def _failure(self, otherwise: str) -> StepError:
        return task_error(self.listener.failed[-1]) if self.listener.failed else StepError(otherwise)

    def _retried(self, failed: FailedTask) -> None:
        self.display.say(f"{failed.name}: {failed.reason}; trying again (attempt {failed.try_number} failed)")


def newest_is_whole(state: Campaign) -> bool:
    """Whether the newest iteration left all that it owes: its evaluation where due, at the end the registration."""
    policy = state.next_iteration
    if not policy:
        return True
    if campaign.evaluation_owed(state, policy) and store.find(state.run.report(policy)) is None:
        return False
    best = campaign.best_policy(state)
    registers = state.config.registration.enabled and best and campaign.decide(state).action == "finish"
    return not registers or store.find(state.run.registration(best)) is not None


def task_error(failed: FailedTask) -> StepError:
    """A task failed for good: the step's own line, its exit code, and where its log is."""
    cause = failed.error.__cause__ if isinstance(failed.error.__cause__, StepError) else None
    hints = [cause.hint] if cause and cause.hint else []
    error = StepError(
        f"{failed.name}: {cause.message if cause else failed.reason}", hint="; ".join([*hints, f"log: {failed.log}"])
    )
    error.exit_code = cause.exit_code if cause else StepError.exit_code
    return error
