"""Where things are, from the environment: the store, MLflow, and this machine's own directory.

    DDPO_STORE            file:// or s3:// URI of the store      (default: store/ in DDPO_HOME)
    MLFLOW_TRACKING_URI   MLflow's server or database            (default: a SQLite file in DDPO_HOME)
    DDPO_HOME             logs, Airflow's and MLflow's files     (default: .ddpo in the checkout, else here)

Nothing of it can change a result, so none of it stands in a config or a request.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import ValidationError, field_validator

from components.core.config import Contract
from components.core.errors import BadRequest

STORE_VARIABLE = "DDPO_STORE"
TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"
HOME_VARIABLE = "DDPO_HOME"

TRACKING_SCHEMES = ("sqlite", "postgresql", "mysql", "mssql", "http", "https", "databricks")
"""MLflow 3 refuses its old file store, so a file:// tracking URI is refused here, with a better message."""


class Deployment(Contract):
    """The three places, checked."""

    store: str
    """URI of the store, without a trailing slash."""
    tracking_uri: str
    """MLflow's tracking URI; the registry is behind the same one."""
    home: Path
    """Directory of this machine's own files."""

    @field_validator("store")
    @classmethod
    def _store_is_a_uri(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if parts.scheme == "s3" and not parts.netloc:
            raise ValueError("write s3://bucket/prefix")
        if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
            raise ValueError("write file:///absolute/path, with three slashes")
        if parts.scheme not in ("s3", "file"):
            raise ValueError("must be an s3:// or file:// URI")
        return uri.rstrip("/")

    @field_validator("tracking_uri")
    @classmethod
    def _tracking_is_a_server_or_a_database(cls, uri: str) -> str:
        scheme = urlsplit(uri).scheme.partition("+")[0]
        if scheme not in TRACKING_SCHEMES:
            raise ValueError("must be http(s)://server or a database such as sqlite:////absolute/path.db")
        return uri

    @property
    def mlflow_artifacts(self) -> Path:
        """Artifacts of runs that are tracked in the local database, beside it."""
        return self.home / "mlflow" / "mlartifacts"

    @property
    def airflow_home(self) -> Path:
        """Airflow's metadata and the logs of its tasks."""
        return self.home / "airflow"

    @property
    def logs(self) -> Path:
        """Logs of the command line and of the services."""
        return self.home / "logs"

    def environment(self) -> dict[str, str]:
        """What a child process needs to find the same places."""
        return {
            STORE_VARIABLE: self.store,
            TRACKING_VARIABLE: self.tracking_uri,
            HOME_VARIABLE: str(self.home),
        }


def from_environment(environment: Mapping[str, str] | None = None, *, store: str | None = None) -> Deployment:
    """Read the places from the environment; `store` overrides DDPO_STORE.

    Raises BadRequest naming the variable that is wrong.
    """
    values = os.environ if environment is None else environment
    home = Path(values.get(HOME_VARIABLE) or default_home()).expanduser().absolute()
    try:
        return Deployment(
            store=store or values.get(STORE_VARIABLE) or (home / "store").as_uri(),
            tracking_uri=values.get(TRACKING_VARIABLE) or f"sqlite:///{home / 'mlflow' / 'mlflow.db'}",
            home=home,
        )
    except ValidationError as error:
        item = error.errors()[0]
        name = {"store": STORE_VARIABLE, "tracking_uri": TRACKING_VARIABLE}.get(str(item["loc"][0]), HOME_VARIABLE)
        reason = item.get("ctx", {}).get("error", item["msg"])
        shown = "<hidden>" if "@" in str(item["input"]) else repr(item["input"])  # it may hold a password
        raise BadRequest(f"{name} = {shown}: {reason}") from None


def default_home() -> Path:
    """`.ddpo` of the checkout that this file is in; of the current directory where it is installed elsewhere."""
    checkout = Path(__file__).resolve().parents[2]
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / ".ddpo"
