"""A Postgres of one's own, filled by the script that fills compose's."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infra" / "compose" / "postgres-databases.sh"
PASSWORDS = {"POSTGRES_PASSWORD": "super", "AIRFLOW_DB_PASSWORD": "o'dd \"one", "MLFLOW_DB_PASSWORD": "p/w:@$x"}


@dataclass(frozen=True)
class Postgres:
    """One that runs, until it is told otherwise."""

    home: Path
    port: int
    as_user: list[str]

    def start(self) -> None:
        """Start it, until it answers; after a stop it recovers first."""
        options = f"-p {self.port} -k {self.home} -h 127.0.0.1 -F"
        command = [*self._control(), "-l", str(self.home / "log"), "-o", options, "start"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.home)

    def stop(self) -> None:
        """End it as a crash does: every connection breaks, and nothing is put in order."""
        subprocess.run([*self._control(), "-m", "immediate", "stop"], capture_output=True, cwd=self.home)

    def _control(self) -> list[str]:
        return [*self.as_user, "pg_ctl", "-D", str(self.home / "data"), "-w"]


@contextmanager
def serving() -> Iterator[int]:
    """Its port on loopback, while this is open; the script has run."""
    with running() as postgres:
        yield postgres.port


@contextmanager
def running() -> Iterator[Postgres]:
    """The same, for who wants to stop it."""
    if not all(shutil.which(tool) for tool in ("initdb", "pg_ctl", "psql")):
        pytest.skip("PostgreSQL's initdb, pg_ctl and psql are not installed")
    with tempfile.TemporaryDirectory(prefix="postgres-") as directory:  # pytest's own are closed to other users
        home = Path(directory)
        postgres = Postgres(home, free_port(), _handed_over(home))
        subprocess.run([*postgres.as_user, *_initialise(home)], check=True, capture_output=True, cwd=home)
        postgres.start()
        try:
            place = {"PATH": os.environ["PATH"], "PGHOST": "127.0.0.1", "PGPORT": str(postgres.port)}
            subprocess.run(["sh", str(SCRIPT)], env=place | {"POSTGRES_USER": "postgres"} | PASSWORDS, check=True)
            yield postgres
        finally:
            postgres.stop()


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
