"""The report of a campaign, among the files of its MLflow run."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from components.core import campaign
from components.core.errors import MissingInput, Unavailable
from components.core.layout import RunLayout
from components.core.tracking.connection import connect
from components.core.tracking.projection import TRIES, Projection
from components.core.tracking.runs import is_deleted

DIRECTORY, FILE = "report", "report.html"
"""Always the same path: a newer report of the run takes the place of the older."""

UI_VARIABLE = "DDPO_MLFLOW_URL"
"""Where people's browsers find MLflow, if that is not MLFLOW_TRACKING_URI: in a cluster it is another name."""


def log_report(run: RunLayout | str, html_path: Path, tracking_uri: str | None = None) -> str:
    """Put a report into the campaign's MLflow run, at `report/report.html`; return its URL.

    The URL opens MLflow's page with the report shown. Where MLflow is a database with no server, it is the file's own.
    Raises MissingInput if there is no such file or run, Unavailable within seconds if MLflow is away.
    """
    if not html_path.is_file():
        raise MissingInput(f"no report at {html_path}", hint="`ddpo report RUN` makes one")
    state = campaign.load(RunLayout.of("", run) if isinstance(run, str) else run)
    with connect(tracking_uri) as client, tempfile.TemporaryDirectory() as directory:
        page = shutil.copyfile(html_path, Path(directory) / FILE)
        for _ in range(TRIES):
            found = Projection.open(client, state, afresh=False)
            client.log_artifact(found.parent, str(page), DIRECTORY)
            if not is_deleted(client, found.parent):
                files = str(client.get_run(found.parent).info.artifact_uri)
                return report_url(str(client.tracking_uri), found.experiment, found.parent, files)
    raise Unavailable(f"MLflow's run of {state.run.run_id} is made and deleted again and again", hint="try again later")


def report_url(tracking_uri: str, experiment: str, run_id: str, artifacts: str) -> str:
    """The page of MLflow's UI that shows the report; without a server, the report among the run's `artifacts`.

    >>> report_url("https://me:secret@mlflow.example", "3", "f00", "s3://b/f00/artifacts")
    'https://mlflow.example/#/experiments/3/runs/f00/artifacts/report/report.html'
    >>> report_url("sqlite:////data/mlflow.db", "3", "f00", "file:///data/f00/artifacts")
    'file:///data/f00/artifacts/report/report.html'
    """
    place = os.environ.get(UI_VARIABLE) or tracking_uri
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https"):
        return f"{artifacts}/{DIRECTORY}/{FILE}"
    server = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
    return f"{server}/#/experiments/{experiment}/runs/{run_id}/artifacts/{DIRECTORY}/{FILE}"
