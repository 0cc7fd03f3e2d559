"""`ddpo up`, a campaign through the real scheduler and the real trigger, both pages, `ddpo down`: nothing is faked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.airflow, pytest.mark.timeout(1500)]


class Machine:
    """A home of its own, with services that are up."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.urls: dict[str, str] = {}

    def ddpo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_"))}
        command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", *arguments]
        environment |= {"DDPO_HOME": str(self.home)}
        return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=400)

    def up(self) -> None:
        done = self.ddpo("up", "--port", "18080", "--mlflow-port", "15000")
        assert done.returncode == 0, done.stderr
        pages = dict(line.split() for line in done.stdout.splitlines()[:2])
        self.urls = {name: page.partition("/#")[0] for name, page in pages.items()}

    def get(self, path: str, data: Any = None) -> Any:
        """Ask Airflow's REST API."""
        with urllib.request.urlopen(f"{self.urls['Airflow']}/auth/token") as answer:
            token = json.loads(answer.read())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        body = json.dumps(data).encode() if data is not None else None
        request = urllib.request.Request(f"{self.urls['Airflow']}/api/v2/{path}", body, headers)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def processes(self) -> list[psutil.Process]:
        """Everything that the services are, and what they started."""
        known = json.loads((self.home / "services.json").read_text())["services"]
        roots = [psutil.Process(service["pid"]) for service in known]
        return [process for root in roots for process in (root, *root.children(recursive=True))]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    machine.up()
    yield machine
    machine.ddpo("down")


def test_up_twice_is_once(machine: Machine) -> None:
    before = {process.pid for process in machine.processes()}
    urls = machine.urls
    machine.up()
    assert machine.urls == urls
    assert before & {process.pid for process in machine.processes()}


def test_the_pools_are_there(machine: Machine) -> None:
    pools = {pool["name"]: pool for pool in machine.get("pools")["pools"]}
    assert {"gpu", "scoring", "default_pool"} <= set(pools)
    assert pools["gpu"]["include_deferred"]


def test_a_local_run_is_refused_while_the_scheduler_is_up(machine: Machine) -> None:
    done = machine.ddpo("run", "smoke", "--run-id", "local")
    assert done.returncode == 73
    assert "trigger ddpo_retrain there, or `ddpo down` first" in done.stderr


def test_a_wrong_form_is_red_at_once_with_one_line(machine: Machine) -> None:
    trigger(machine, "wrong", {"preset": "smoke", "run_id": "wrong", "overrides": ["training.lerning_rate=1"]})
    assert ended(machine, "ddpo_retrain", "wrong") == "failed"
    log = machine.get("dags/ddpo_retrain/dagRuns/wrong/taskInstances/open_run/logs/1?full_content=true")
    assert "smoke.toml: training.lerning_rate: unknown key" in json.dumps(log)


def test_a_campaign_goes_through_the_real_trigger_to_its_end(machine: Machine) -> None:
    fewer = ["evaluation.shards=1", "evaluation.judges=[]"]  # every process costs the import of torch
    trigger(machine, "cats", {"preset": "smoke", "run_id": "cats", "overrides": fewer})
    assert ended(machine, "ddpo_retrain", "cats") == "success"
    runs = {run["dag_run_id"]: run["state"] for run in machine.get("dags/ddpo_iteration/dagRuns")["dag_runs"]}
    assert runs == {"cats-it-0000": "success", "cats-it-0001": "success"}
    verified = machine.ddpo("verify", "cats")
    assert verified.returncode == 0, verified.stdout
    assert "2 policies" in verified.stdout


def test_mlflow_shows_the_campaign(machine: Machine) -> None:
    url = f"{machine.urls['MLflow']}/api/2.0/mlflow/runs/search"
    body = json.dumps({"experiment_ids": ["1"], "max_results": 50}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        names = {run["info"]["run_name"] for run in json.loads(answer.read())["runs"]}
    assert "cats" in names


def test_down_ends_all_of_it(machine: Machine) -> None:
    processes = machine.processes()
    assert len(processes) >= 5
    done = machine.ddpo("down")
    assert done.stdout.startswith("ended api-server, scheduler, dag-processor, triggerer, mlflow")
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []


def trigger(machine: Machine, run_id: str, conf: dict[str, Any]) -> None:
    machine.get("dags/ddpo_retrain/dagRuns", {"logical_date": None, "dag_run_id": run_id, "conf": conf})


def ended(machine: Machine, dag_id: str, run_id: str, seconds: float = 1200) -> str:
    """Wait for a DAG run to end."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = str(machine.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"])
        if state in ("success", "failed"):
            return state
        time.sleep(1)
    raise AssertionError(f"{dag_id} {run_id} did not end in {seconds:.0f} s")
