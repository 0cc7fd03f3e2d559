"""The task that writes a run's report, puts it into MLflow, and links it from Airflow's page of the task.

It runs where the profile runs registration: the image that can draw, and the one step that may speak to MLflow.
Nothing depends on it: without a report the task is skipped, and its log says why. The next evaluation makes a new one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException

from components.core import campaign
from components.core.layout import RunLayout
from dags.pipeline.environment import TRACKING_STEP
from dags.pipeline.local import IN_PROCESS, MODE_VARIABLE
from dags.pipeline.profiles import operator_class
from dags.pipeline.redaction import redacted, redacted_traceback
from dags.pipeline.tasks import run_of

LONGEST = timedelta(minutes=15)
"""Time limit of one report, where the profile has none of its own."""


class ReportLink(BaseOperatorLink):
    """The button `Report` on the page of the task. What it leads to is kept as an XCom."""

    name = "Report"

    @property
    def xcom_key(self) -> str:
        """Where the link is kept; also read by whoever wants to name it elsewhere."""
        return "report"

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """URL of the report that this very task made; empty where it made none."""
        return str(getattr(operator, "url", ""))


Step: Any = operator_class()


class ReportOperator(Step):
    """Write the report of `run`. In `ddpo run` only at the run's end: a report costs as long as a small iteration."""

    template_fields: Sequence[str] = (*(field for field in Step.template_fields if field != "request"), "run")
    operator_extra_links = (ReportLink(),)
    ui_color = "#e9e6f4"

    def __init__(self, *, run: Any, **kwargs: Any) -> None:
        super().__init__(step=TRACKING_STEP, request="", **{"execution_timeout": LONGEST} | kwargs)
        self.run = run
        self.url = ""

    def execute(self, context: Any) -> None:
        """Make it, or skip."""
        with self._no_reason_to_fail():
            run = run_of({"run": self.run})
            if os.environ.get(MODE_VARIABLE) == IN_PROCESS and campaign.decide(campaign.load(run)).action != "finish":
                raise AirflowSkipException("the run goes on: it is reported at its end")
            self.run_instead(command(run))
            super().execute(context)
            self._link(run)

    def trigger_reentry(self, context: Any, event: dict[str, Any]) -> None:
        """Go on after a pod's end, where the profile waits for it without a worker."""
        with self._no_reason_to_fail():
            super().trigger_reentry(context, event)
            self._link(run_of({"run": self.run}))

    def _link(self, run: RunLayout) -> None:
        self.url = url_of(run)
        self.log.info("report: %s", self.url)

    @contextmanager
    def _no_reason_to_fail(self) -> Iterator[None]:
        try:
            yield
        except AirflowSkipException:
            raise
        except Exception as error:
            self.log.warning("%s", redacted_traceback(error))
            raise AirflowSkipException(f"no report: {redacted(str(error))}") from None


def command(run: RunLayout) -> list[str]:
    """What writes a run's report and hands it to MLflow."""
    return ["python", "-m", "components.evaluation.report", "--run", run.uri, "--track"]


def url_of(run: RunLayout) -> str:
    """Where the report is that MLflow has of a run."""
    from components.core import tracking
    from components.core.tracking.projection import Projection
    from components.core.tracking.report import report_url

    with tracking.connect() as client:
        found = Projection.open(client, campaign.load(run), afresh=False)
        files = str(client.get_run(found.parent).info.artifact_uri)
        return report_url(str(client.tracking_uri), found.experiment, found.parent, files)
