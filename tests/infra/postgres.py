"""A Postgres of one's own, filled by the script that fills compose's."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infra" / "compose" / "postgres-databases.sh"
PASSWORDS = {"POSTGRES_PASSWORD": "super", "AIRFLOW_DB_PASSWORD": "o'dd \"one", "MLFLOW_DB_PASSWORD": "p/w:@$x"}


@contextmanager
def serving() -> Iterator[int]:
    """Its port on loopback, while this is open; the script has run."""
    if not all(shutil.which(tool) for tool in ("initdb", "pg_ctl", "psql")):
        pytest.skip("PostgreSQL's initdb, pg_ctl and psql are not installed")
    with tempfile.TemporaryDirectory(prefix="postgres-") as directory:  # pytest's own are closed to other users
        home, port = Path(directory), free_port()
        as_user = _handed_over(home)
        begin = ["pg_ctl", "-D", str(home / "data"), "-l", str(home / "log"), "-w"]
        subprocess.run([*as_user, *_initialise(home)], check=True, capture_output=True, cwd=home)
        options = f"-p {port} -k {home} -h 127.0.0.1 -F"
        subprocess.run([*as_user, *begin, "-o", options, "start"], check=True, stdout=subprocess.DEVNULL, cwd=home)
        try:
            place = {"PATH": os.environ["PATH"], "PGHOST": "127.0.0.1", "PGPORT": str(port)}
            subprocess.run(["sh", str(SCRIPT)], env=place | {"POSTGRES_USER": "postgres"} | PASSWORDS, check=True)
            yield port
        finally:
            subprocess.run([*as_user, *begin, "-m", "immediate", "stop"], capture_output=True, cwd=home)


def _initialise(home: Path) -> list[str]:
    password = home / "password"
    return ["initdb", "-D", str(home / "data"), "-U", "postgres", f"--pwfile={password}", "-A", "scram-sha-256"]


def _handed_over(home: Path) -> list[str]:
    """Write the superuser's password; what to run Postgres' programs with, because they refuse to be root."""
    (home / "password").write_text(PASSWORDS["POSTGRES_PASSWORD"])
    if os.geteuid() != 0:
        return []
    shutil.chown(home, "postgres")
    shutil.chown(home / "password", "postgres")
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
