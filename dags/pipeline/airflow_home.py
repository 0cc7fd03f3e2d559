"""This machine's own Airflow: its settings, as environment variables, and its database.

`ddpo run` and `ddpo up` share them, so that what one made the other shows. Airflow reads its settings when it is
imported: `configure` must be called before that, and imports nothing of it.
"""

from __future__ import annotations

import base64
import contextlib
import importlib.metadata
import json
import os
import sys
from pathlib import Path

from components.core.deployment import Deployment
from dags.pipeline.dag_names import OWN_STORE_VARIABLE

DAGS = Path(__file__).resolve().parents[1]
KEYS = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__API__SECRET_KEY", "AIRFLOW__CORE__FERNET_KEY")
OWN_STORE = "store"
"""File beside the database that names the store which this Airflow served first: the one that needs no hash."""
MIGRATED = "migrated"
"""File beside the database that names the Airflow version it was migrated to."""


def settings(places: Deployment) -> dict[str, str]:
    """Environment of every Airflow process on this machine."""
    home = places.airflow_home
    return {
        **places.environment(),
        OWN_STORE_VARIABLE: own_store(places),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        "AIRFLOW__LOGGING__JSON_LOGS": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "4",  # the default of 32 keeps 5 GiB of idle workers
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",  # loopback only
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",  # 0.12 s between tasks instead of 0.9
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "PYTHONWARNINGS": os.environ.get("PYTHONWARNINGS", "ignore"),
    }


def configure(places: Deployment, **more: str) -> None:
    """Point this process, and those it starts, at this machine's Airflow."""
    places.airflow_home.mkdir(parents=True, exist_ok=True)
    wanted = settings(places) | keys(places) | more
    if "airflow" in sys.modules:
        if any(os.environ.get(name) != value for name, value in wanted.items()):
            raise RuntimeError("Airflow is imported already, with other settings")
        return  # the second run of this process
    os.environ.update(wanted)


def own_store(places: Deployment) -> str:
    """URI of the first store that this Airflow served."""
    file = places.airflow_home / OWN_STORE
    if not file.is_file():
        _write_once(file, places.store)
    return file.read_text(encoding="utf-8").strip()


def keys(places: Deployment) -> dict[str, str]:
    """Keys that all services must share. Left to Airflow, services that start together each make their own."""
    file = places.airflow_home / "keys.json"
    if not file.is_file():
        made = {name: base64.urlsafe_b64encode(os.urandom(32)).decode() for name in KEYS}
        _write_once(file, json.dumps(made))
    shared: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return shared


def migrate(places: Deployment) -> None:
    """Make the database, or bring it to the installed Airflow; quick where that is done."""
    marker = places.airflow_home / MIGRATED
    version = importlib.metadata.version("apache-airflow")
    if marker.is_file() and marker.read_text(encoding="utf-8") == version:
        return
    from airflow.utils.db import upgradedb

    upgradedb()
    marker.write_text(version, encoding="utf-8")


def _write_once(file: Path, text: str) -> None:
    """Make a private file, whole; whoever is first, wins."""
    staged = file.with_name(f"{file.name}.{os.getpid()}")
    staged.touch(mode=0o600)
    staged.write_text(text, encoding="utf-8")
    with contextlib.suppress(FileExistsError):
        os.link(staged, file)
    staged.unlink()
