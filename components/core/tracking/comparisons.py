"""A comparison of algorithms in MLflow: a run of its own, with the page, the figure, and a curve an algorithm.

Like every other run it follows from the store: once more leaves the same points and replaces the same files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.core import comparison_table as tables
from components.core import store
from components.core.comparison import Comparison
from components.core.comparison_table import Table
from components.core.errors import MissingInput
from components.core.tracking.connection import connect, experiment_of
from components.core.tracking.labels import NOTE, NOTE_LIMIT, Identity, milliseconds, spaced
from components.core.tracking.report import DIRECTORY, FILE, report_url
from components.core.tracking.runs import the_run

FILES = {"page.html": FILE, "figure.png": "figure.png", "table.md": "table.md", "table.json": "table.json"}
"""File of the commit -> its name among the files of the MLflow run."""


def log_comparison(comparison: Comparison, tracking_uri: str | None = None) -> str:
    """Show the newest table of a comparison in MLflow; returns the URL of its page.

    Raises MissingInput before there is a table, and Unavailable within seconds if MLflow is away.
    """
    newest = tables.newest_table(comparison)
    if newest is None:
        raise MissingInput(f"{comparison.name} has no table yet", hint="`ddpo compare` makes it")
    prefix, table = newest
    opened_at = store.open_committed(comparison.uri).manifest.cost.committed_at
    committed = store.open_committed(prefix)
    with connect(tracking_uri) as client, tempfile.TemporaryDirectory() as directory:
        experiment = experiment_of(client)
        run = the_run(client, experiment, identity(comparison.uri), name=comparison.name, started_at=opened_at)
        run_id = run.info.run_id
        _log_points(client, run_id, table, milliseconds(opened_at))
        for path, name in FILES.items():
            copy = Path(directory) / name
            copy.write_bytes(committed.read(path))
            client.log_artifact(run_id, str(copy), DIRECTORY)
        client.set_tag(run_id, NOTE, spaced(committed.read("table.md").decode())[:NOTE_LIMIT])
        client.set_terminated(run_id, "RUNNING" if table.unfinished else "FINISHED")
        files = str(client.get_run(run_id).info.artifact_uri)
        return report_url(str(client.tracking_uri), experiment, run_id, files)


def identity(uri: str) -> Identity:
    """Finds the MLflow run of a comparison."""
    return {"ddpo.kind": "comparison", "ddpo.comparison_uri": uri}


def points(table: Table) -> dict[tuple[str, int], float]:
    """(metric, step) -> value: scores at step 0, curves with reward queries for steps, means over the seeds."""
    found = {(f"score/{row.reward}/{row.algorithm}", 0): row.score for row in table.rows}
    curves: dict[tuple[str, int], list[float]] = {}
    for run in table.runs:
        for e in run.evaluations:
            shown = {"gain": e.held_out, "judges_keep": e.kept, "diversity": e.diversity, "kl_to_base": e.kl_to_base}
            for name, value in shown.items():
                if value is None:
                    continue
                curves.setdefault((f"{name}/{run.reward}/{run.algorithm}", e.reward_queries), []).append(value)
    return found | {key: sum(values) / len(values) for key, values in curves.items()}


def _log_points(client: object, run_id: str, table: Table, at: int) -> None:
    """A number at a time of its own: the table's later self is another point, and MLflow shows the newest."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    assert isinstance(client, MlflowClient)
    metrics = [Metric(key, value, at + len(table.runs), step) for (key, step), value in points(table).items()]
    for start in range(0, len(metrics), 800):
        client.log_batch(run_id, metrics=metrics[start : start + 800])
