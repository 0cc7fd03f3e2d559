"""MLflow's server with compose's own command and settings, on the databases that compose's script makes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.infra.compose_config import COMPOSE, config, settings_in
from tests.infra.postgres import PASSWORDS, free_port, serving

pytest.importorskip("flask_wtf", reason="mlflow[auth] is not installed: Flask-WTF")

pytestmark = pytest.mark.slow

ADMIN, USER = "administrators-password", "pipelines-password"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server, on loopback."""
    here = tmp_path_factory.mktemp("mlflow")
    service = yaml.safe_load(config(settings_in(here)).stdout)["services"]["mlflow"]
    port = free_port()
    command = [
        argument.replace("--port=5000", f"--port={port}").replace("127.0.0.1:5000", f"127.0.0.1:{port}")
        for argument in ["-m", *service["entrypoint"], *service["command"]]
    ]
    with serving() as postgres_port:
        environment = service["environment"] | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "HOME": str(here),
            "PGHOST": "127.0.0.1",
            "PGPORT": str(postgres_port),
            "PGPASSWORD": PASSWORDS["MLFLOW_DB_PASSWORD"],
            "MLFLOW_AUTH_CONFIG_PATH": str(COMPOSE / "mlflow-auth.ini"),
            "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN,
        }
        server = subprocess.Popen(
            [sys.executable, *command], env=environment, cwd=here, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("MLflow's server did not come up")


def status(url: str, path: str, who: str = "", host: str = "", body: bytes | None = None) -> int:
    """HTTP status of one request."""
    headers = {"Content-Type": "application/json"}
    if who:
        headers["Authorization"] = f"Basic {b64encode(who.encode()).decode()}"
    if host:
        headers["Host"] = host
    try:
        request = urllib.request.Request(f"{url}/{path}", headers=headers, data=body)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


SEARCH = "api/2.0/mlflow/experiments/get-by-name?experiment_name=Default"


def test_nobody_gets_in_without_a_password(url: str) -> None:
    assert status(url, SEARCH) == 401
    assert status(url, SEARCH, "admin:password1234") == 401  # MLflow's own, once
    assert status(url, SEARCH, f"admin:{ADMIN}") == 200


def test_only_known_names_are_answered(url: str) -> None:
    """A page that a browser was lured to cannot speak to the server under its own name."""
    assert status(url, SEARCH, f"admin:{ADMIN}", host="evil.example.org") == 403
    assert status(url, SEARCH, f"admin:{ADMIN}", host="mlflow:5000") == 200


def make_user(url: str, password: str) -> None:
    environment = {"MLFLOW_URL": url, "MLFLOW_ADMIN_PASSWORD": ADMIN, "MLFLOW_PASSWORD": password}
    script = Path(COMPOSE / "mlflow_user.py")
    subprocess.run([sys.executable, str(script)], env=environment, check=True)


def test_the_pipelines_user_is_made_once_and_administers_nobody(url: str) -> None:
    make_user(url, "an-earlier-password")
    make_user(url, USER)
    assert status(url, SEARCH, "ddpo:an-earlier-password") == 401
    assert status(url, "api/2.0/mlflow/experiments/create", f"ddpo:{USER}", body=b'{"name": "ddpo"}') == 200
    other = b'{"username": "other", "password": "another-password"}'
    assert status(url, "api/2.0/mlflow/users/create", f"ddpo:{USER}", body=other) == 403
