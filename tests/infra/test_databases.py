"""The script that fills a new Postgres, run by a Postgres."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "infra" / "compose" / "postgres-databases.sh"
PASSWORDS = {"POSTGRES_PASSWORD": "super", "AIRFLOW_DB_PASSWORD": "o'dd \"one", "MLFLOW_DB_PASSWORD": "p/w:@$x"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Postgres on this port of loopback, after the script."""
    if not all(shutil.which(tool) for tool in ("initdb", "pg_ctl", "psql")):
        pytest.skip("PostgreSQL's initdb, pg_ctl and psql are not installed")
    home = tmp_path_factory.mktemp("postgres")
    (home / "password").write_text(PASSWORDS["POSTGRES_PASSWORD"])
    as_user: list[str] = []
    if os.geteuid() == 0:  # Postgres refuses to be root
        for path in (home, *home.parents[:2]):
            path.chmod(0o755)
        shutil.chown(home, "postgres")
        shutil.chown(home / "password", "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = int(probe.getsockname()[1])
    data = home / "data"
    initialise = ["initdb", "-D", str(data), "-U", "postgres", f"--pwfile={home / 'password'}", "-A", "scram-sha-256"]
    subprocess.run([*as_user, *initialise], check=True, capture_output=True)
    options = f"-p {free} -k {home} -h 127.0.0.1 -F"
    begin = ["pg_ctl", "-D", str(data), "-o", options, "-l", str(home / "log"), "-w", "start"]
    subprocess.run([*as_user, *begin], check=True, stdout=subprocess.DEVNULL)
    environment = {"PATH": os.environ["PATH"], "PGHOST": "127.0.0.1", "PGPORT": str(free), "POSTGRES_USER": "postgres"}
    subprocess.run(["sh", str(SCRIPT)], env=environment | PASSWORDS, check=True)
    yield free
    subprocess.run([*as_user, "pg_ctl", "-D", str(data), "-m", "immediate", "stop"], capture_output=True)


@pytest.mark.parametrize(
    ("user", "password", "opens"),
    [
        ("airflow", PASSWORDS["AIRFLOW_DB_PASSWORD"], {"airflow"}),
        ("mlflow", PASSWORDS["MLFLOW_DB_PASSWORD"], {"mlflow", "mlflow_auth"}),
        ("airflow", "wrong", set()),
    ],
)
def test_each_role_opens_its_own_databases_only(port: int, user: str, password: str, opens: set[str]) -> None:
    import psycopg2

    opened = set()
    for database in ("airflow", "mlflow", "mlflow_auth", "postgres"):
        try:
            connection = psycopg2.connect(
                host="127.0.0.1", port=port, user=user, password=password, dbname=database, connect_timeout=5
            )
        except psycopg2.OperationalError:
            continue
        with connection.cursor() as cursor:  # an owner: migrations make tables
            cursor.execute("CREATE TABLE mine (x int)")
        connection.close()
        opened.add(database)
    assert opened == opens
