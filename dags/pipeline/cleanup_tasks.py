"""The task of `ddpo_cleanup`: what nobody needs again goes, run by run."""

from __future__ import annotations

import logging
from typing import Any

from airflow.sdk import task

from components.core import deployment
from dags.pipeline import cleaning
from dags.pipeline.cleaning import Left
from dags.pipeline.exit_codes import scheduled_errors
from dags.pipeline.tasks import PATIENT, run_of

log = logging.getLogger(__name__)


@task(**PATIENT)
def sweep(params: dict[str, Any]) -> None:
    """Sweep the run that the form names, or every run of the store. Twice is once."""
    with scheduled_errors():
        runs = [run_of(params)] if params["run"] else cleaning.runs_of(deployment.from_environment().store)
        dry = bool(params["dry"])
        swept = cleaning.sweep_all(runs, keep=params["keep"], orphan_days=params["orphan_days"], dry=dry)
        for found in swept:
            log.log(logging.WARNING if isinstance(found, Left) else logging.INFO, "%s", cleaning.said(found, dry=dry))
