"""The script that fills a new Postgres, run by a Postgres."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.infra.postgres import PASSWORDS, serving


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A Postgres, after the script."""
    with serving() as port:
        yield port


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
