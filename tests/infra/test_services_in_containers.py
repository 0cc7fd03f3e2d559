"""Compose's Airflow services from the real image, as locked down as compose starts them, on a real Postgres.

Compose itself is not asked to start them: its images of Postgres, MLflow and Docker's proxy come from registries. What
is changed is what loopback of one machine needs: ports, addresses, and no DAG profile with containers of its own.
"""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.core.s3_double import S3Double
from tests.core.s3_double import serving as serving_s3
from tests.images.engine import REQUIRED, Engine, find_engine
from tests.infra.compose_config import config, settings_in
from tests.infra.postgres import PASSWORDS, free_port, serving

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(900)]

IMAGE = os.environ.get("DDPO_AIRFLOW_IMAGE", "ddpo-airflow:local")
STAYING = ("api-server", "scheduler", "dag-processor", "triggerer")


@dataclass
class Containers:
    """Runs compose's services one by one."""

    engine: Engine
    services: dict[str, dict[str, Any]]
    prefix: str

    def run(self, name: str, changed: dict[str, str], *options: str) -> tuple[int, str]:
        """Exit status of the client and what it printed. Environment: compose's, with `changed` over it."""
        service = self.services[name]
        network = service.get("network_mode", "host")
        arguments = ["run", f"--name={self.prefix}-{name}", f"--network={network}", f"--user={service['user']}"]
        arguments += ["--init", "--read-only", f"--pids-limit={service['pids_limit']}", *options]
        arguments += [f"--cap-drop={right}" for right in service["cap_drop"]]
        arguments += [f"--cap-add={right}" for right in service.get("cap_add", ())]
        arguments += [f"--security-opt={option}" for option in service["security_opt"]]
        arguments += [f"--tmpfs={place}" for place in service.get("tmpfs", ())]
        if "airflow-logs" in str(service.get("volumes", "")):
            arguments.append(f"--volume={self.prefix}-logs:/var/log/airflow")
        environment = service.get("environment", {}) | changed
        arguments += [f"--env={key}={value}" for key, value in environment.items()]
        program, *rest = service["entrypoint"]
        commands = [part.replace("$$", "$") for part in service.get("command") or ()]
        done = self.engine(*arguments, f"--entrypoint={program}", IMAGE, *rest, *commands)
        return done.returncode, done.stdout + done.stderr

    def remove(self) -> None:
        """All containers that were run, and the volume."""
        for name in self.services:
            self.engine("rm", "--force", f"{self.prefix}-{name}")
        self.engine("volume", "rm", f"{self.prefix}-logs")


@pytest.fixture(scope="module")
def containers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containers]:
    engine = find_engine()
    if engine("image", "inspect", IMAGE).returncode != 0:
        message = f"SYSTEM TEST NOT RUN: there is no image {IMAGE}: make images"
        (pytest.fail if os.environ.get(REQUIRED) == "required" else pytest.skip)(message)
    services = yaml.safe_load(config(settings_in(tmp_path_factory.mktemp("compose"))).stdout)["services"]
    made = Containers(engine, services, f"ddpo-test-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def airflow(containers: Containers) -> Iterator[str]:
    """Address of the api-server, with everything up behind it."""
    with serving() as postgres:
        ports = {name: str(free_port()) for name in ("api", "worker", "trigger", "health")}
        address = f"http://127.0.0.1:{ports['api']}"
        password = quote(PASSWORDS["AIRFLOW_DB_PASSWORD"], safe="")
        here = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://airflow:{password}@127.0.0.1:{postgres}/airflow",
            "AIRFLOW__API__PORT": ports["api"],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": ports["worker"],
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": ports["trigger"],
            "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": ports["health"],
            "DDPO_ENVIRONMENT": "",  # steps as processes: none runs here
            "DDPO_STORE": "file:///tmp/store",
        }
        for name in ("volume-owner", "airflow-prepare"):
            status, output = containers.run(name, here if name == "airflow-prepare" else {})
            assert status == 0, output
        for name in STAYING:
            status, output = containers.run(name, here, "--detach")
            assert status == 0, output
        yield address
        containers.remove()  # before Postgres goes


def get(address: str, path: str, token: str = "") -> dict[str, Any]:
    request = urllib.request.Request(f"{address}{path}", headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer))


def token(address: str, password: str) -> str:
    body = json.dumps({"username": "admin", "password": password}).encode()
    request = urllib.request.Request(f"{address}/auth/token", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(json.load(answer)["access_token"])


def health(address: str) -> dict[str, str]:
    try:
        return {part: found["status"] for part, found in get(address, "/api/v2/monitor/health").items()}
    except OSError:
        return {}


def test_all_four_come_up_with_a_read_only_root_and_no_rights(airflow: str) -> None:
    deadline = time.monotonic() + 300
    while ((now := health(airflow)) and set(now.values()) != {"healthy"}) or not now:
        assert time.monotonic() < deadline, now
        time.sleep(2)
    assert set(now) == {"metadatabase", "scheduler", "triggerer", "dag_processor"}


def test_the_administrators_password_is_the_one_of_the_settings(airflow: str, containers: Containers) -> None:
    password = containers.services["api-server"]["environment"]["ADMIN_PASSWORD"]
    entered = token(airflow, password)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        token(airflow, "admin")
    pools = get(airflow, "/api/v2/pools", entered)["pools"]
    assert {pool["name"]: (pool["slots"], pool["include_deferred"]) for pool in pools} == {
        "default_pool": (128, False),
        "gpu": (1, True),
        "scoring": (2, True),
    }
    assert get(airflow, "/api/v2/importErrors", entered)["import_errors"] == []
    dags = {dag["dag_id"] for dag in get(airflow, "/api/v2/dags", entered)["dags"]}
    assert {"ddpo_iteration", "ddpo_retrain"} <= dags


@pytest.mark.parametrize("conditional", [True, False])
def test_a_store_without_conditional_puts_stops_everything(containers: Containers, conditional: bool) -> None:
    with serving_s3(S3Double(conditional=conditional)) as service:
        status, output = containers.run("store-check", {"AWS_ENDPOINT_URL": service.url}, "--rm")
    assert (status == 0) is conditional, output
    assert ("ignores If-None-Match" in output) is not conditional
