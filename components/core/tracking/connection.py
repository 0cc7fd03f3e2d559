"""A client of MLflow that gives up in seconds, and failures that say whether a retry can help."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from components.core.deployment import from_environment
from components.core.errors import BadRequest, StepError, Unavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "ddpo"
"""Experiment that holds every campaign, unless MLFLOW_EXPERIMENT_NAME says another."""

EXPERIMENT_TAGS = {
    "mlflow.experimentKind": "custom_model_development",  # else MLflow's pages are those for chat applications
    "mlflow.note.content": "One run a DDPO campaign, with a child run an iteration: a replay of what the store holds.",
}

CLIENT_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""What the client is told where the environment is silent. MLflow's own limits block for minutes on a dead server."""

CHATTY = ("alembic", "mlflow.store.db.utils", "mlflow.store.model_registry.abstract_store")
"""Loggers whose INFO is forty migrations of a new database, or that it may wait for what is there at once."""

CONNECT_SECONDS = 5.0
DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}

REFUSED = frozenset(
    {"INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED",
     "ENDPOINT_NOT_FOUND", "INVALID_STATE"}
)  # fmt: skip
"""MLflow's error codes that stay the same however often one asks. BAD_REQUEST is none: two writers at once get it."""

SERVICES = frozenset({"mlflow", "requests", "urllib3", "sqlalchemy", "sqlite3", "botocore", "boto3"})
"""Packages whose errors come from MLflow or its artefact store, not from us."""


@contextmanager
def connect(tracking_uri: str | None = None) -> Iterator[MlflowClient]:
    """A client for `tracking_uri` (default: this deployment's).

    Within, MLflow's failures become Unavailable (away, busy: a later replay gives everything) or BadRequest (refused).
    """
    uri = tracking_uri or from_environment().tracking_uri
    with _environment(CLIENT_DEFAULTS):
        _reach_database(uri)
        _prepare_sqlite(uri)
        from mlflow import MlflowClient

        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            yield MlflowClient(tracking_uri=uri, registry_uri=uri)
        except StepError:
            raise
        except Exception as error:
            if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in SERVICES:
                raise
            raise _as_step_error(error, uri) from error


def experiment_of(client: MlflowClient) -> str:
    """Id of the experiment, made on first use. An SQLite file has its artefacts beside it, wherever one works."""
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        from mlflow.exceptions import MlflowException

        try:
            place = _artifacts_beside(client.tracking_uri)
            return str(client.create_experiment(name, artifact_location=place, tags=EXPERIMENT_TAGS))
        except MlflowException as error:
            experiment = client.get_experiment_by_name(name)  # another projection made it meanwhile
            if experiment is None:
                raise error
    if experiment.lifecycle_stage != "active":
        raise BadRequest(f"MLflow's experiment {name!r} is deleted", hint="restore it, or set MLFLOW_EXPERIMENT_NAME")
    return str(experiment.experiment_id)


def shown(uri: str) -> str:
    """A tracking URI without its password, for messages."""
    parts = urlsplit(uri)
    return uri.replace(f"{parts.netloc.rpartition('@')[0]}@", "") if "@" in parts.netloc else uri


@contextmanager
def _environment(defaults: dict[str, str]) -> Iterator[None]:
    """Set what is not set, and take it back."""
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _reach_database(uri: str) -> None:
    """MLflow waits minutes for a database that is away; ask its port first."""
    parts = urlsplit(uri)
    port = parts.port or DATABASE_PORTS.get(parts.scheme.partition("+")[0])
    if parts.scheme.startswith(tuple(DATABASE_PORTS)) and parts.hostname and port:
        try:
            socket.create_connection((parts.hostname, port), timeout=CONNECT_SECONDS).close()
        except OSError as error:
            raise _as_step_error(error, uri) from None


def _prepare_sqlite(uri: str) -> None:
    if path := _sqlite_file(uri):
        path.parent.mkdir(parents=True, exist_ok=True)


def _sqlite_file(uri: str) -> Path | None:
    path = uri.removeprefix("sqlite:///")
    return Path(path).absolute() if path != uri and path and not path.startswith(":memory:") else None


def _artifacts_beside(uri: str) -> str | None:
    path = _sqlite_file(uri)
    return (path.parent / "mlartifacts").as_uri() if path else None


def _as_step_error(error: Exception, uri: str) -> StepError:
    code = getattr(error, "error_code", "")
    reason = " ".join(str(error).partition("[SQL:")[0].split())[:300]
    if code in REFUSED:
        return BadRequest(f"MLflow refused: {reason}", hint=f"MLFLOW_TRACKING_URI is {shown(uri)}")
    return Unavailable(
        f"MLflow is away or busy: {reason}", hint="committed work is safe; tracking is replayed from it later"
    )
