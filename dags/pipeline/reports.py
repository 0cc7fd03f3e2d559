"""The task that writes a run's report, puts it into MLflow, and links it from Airflow's page of the task.

Nothing depends on it: without a report the task is skipped, and its log says why. The next evaluation makes a new one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowSkipException

from components.core import campaign
from components.core.errors import StepError
from components.core.layout import RunLayout
from dags.pipeline.local import IN_PROCESS, MODE_VARIABLE
from dags.pipeline.redaction import redacted, redacted_traceback
from dags.pipeline.tasks import run_of

LONGEST_SECONDS = 900
FILE = "report.html"


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


class ReportOperator(BaseOperator):
    """Write the report of `run`. In `ddpo run` only at the run's end: a report costs as long as a small iteration."""

    template_fields: Sequence[str] = ("run",)
    operator_extra_links = (ReportLink(),)
    ui_color = "#e9e6f4"

    def __init__(self, *, run: Any, **kwargs: Any) -> None:
        super().__init__(do_xcom_push=False, **kwargs)
        self.run = run
        self.url = ""

    def execute(self, context: Any) -> None:
        """Make it, or skip."""
        try:
            run = run_of({"run": self.run})
            if os.environ.get(MODE_VARIABLE) == IN_PROCESS and campaign.decide(campaign.load(run)).action != "finish":
                raise AirflowSkipException("the run goes on: it is reported at its end")
            with tempfile.TemporaryDirectory(prefix="ddpo-report-") as directory:
                self.url = _made(run, Path(directory) / FILE)
        except AirflowSkipException:
            raise
        except Exception as error:
            self.log.warning("%s", redacted_traceback(error))
            raise AirflowSkipException(f"no report: {redacted(str(error))}") from None
        self.log.info("report: %s", self.url)


def _made(run: RunLayout, page: Path) -> str:
    """URL of the report, once MLflow has it."""
    from components.core import tracking

    command = [sys.executable, "-m", "components.evaluation.report", "--run", run.uri, "--out", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_SECONDS, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise StepError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    return str(tracking.log_report(run, page))
