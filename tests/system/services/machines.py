"""A machine with everything up: Airflow's services, MLflow's, and a store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil


class Machine:
    """A home of its own, with services that are up."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.environment = environment
        self.urls: dict[str, str] = {}

    def ddpo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_"))}
        command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", *arguments]
        environment |= {"DDPO_HOME": str(self.home), **self.environment}
        return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=400)

    def up(self) -> None:
        done = self.ddpo("up", "--port", "18080", "--mlflow-port", "15000")
        assert done.returncode == 0, done.stderr
        pages = dict(line.split() for line in done.stdout.splitlines()[:2])
        self.urls = {name: page.partition("/#")[0] for name, page in pages.items()}

    def get(self, path: str, data: Any = None, method: str | None = None) -> Any:
        """Ask Airflow's REST API."""
        with urllib.request.urlopen(f"{self.urls['Airflow']}/auth/token") as answer:
            token = json.loads(answer.read())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        body = json.dumps(data).encode() if data is not None else None
        request = urllib.request.Request(f"{self.urls['Airflow']}/api/v2/{path}", body, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def processes(self) -> list[psutil.Process]:
        """Everything that the services are, and what they started."""
        known = json.loads((self.home / "services.json").read_text())["services"]
        roots = [psutil.Process(service["pid"]) for service in known]
        return [process for root in roots for process in (root, *root.children(recursive=True))]

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        self.get(f"dags/{dag_id}/dagRuns", {"logical_date": None, "dag_run_id": run_id, "conf": conf})

    def ended(self, dag_id: str, run_id: str, seconds: float = 1200) -> str:
        """Wait for a DAG run to end; its state."""
        self.wait_for(lambda: self.state(dag_id, run_id) in ("success", "failed"), f"{dag_id} {run_id} to end", seconds)
        return self.state(dag_id, run_id)

    def state(self, dag_id: str, run_id: str) -> str:
        return str(self.get(f"dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        tasks = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in tasks}

    @staticmethod
    def wait_for(condition: Callable[[], bool], what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
            time.sleep(0.5)
