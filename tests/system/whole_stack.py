"""Everything that compose runs, as processes of this machine: the real servers, and the steps as containers.

Airflow's four services on Postgres, MLflow's server on Postgres with its artifacts on S3, Ceph's gateway as the store
and the embedded policy. As compose does, a service that ends is started again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from components.core import deployment, opening, store
from components.core.layout import RunLayout
from dags.pipeline import airflow_home, presets, processes
from dags.pipeline.dag_names import ITERATION_DAG, RETRAIN_DAG
from dags.pipeline.processes import Service
from tests.infra.postgres import PASSWORDS, Postgres, free_port
from tests.system.ceph import BUCKET, Ceph

ROOT = Path(__file__).resolve().parents[2]
AIRFLOW = ("api-server", "scheduler", "dag-processor", "triggerer")
PREPARE = """
from airflow.utils.db import upgradedb
upgradedb()
from dags.pipeline import dag_runs
dag_runs.make_pools()
"""
RUN = "cats"
FEWER = ("evaluation.shards=1", "evaluation.judges=[]")
"""Less of what each container costs; what trains is the preset's."""


@dataclass
class Stack:
    """The whole of it; each run has a store of its own in the one bucket."""

    home: Path
    ceph: Ceph
    postgres: Postgres
    images: dict[str, str]
    commands: dict[str, list[str]] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    restarts: list[str] = field(default_factory=list)
    """Services that ended by themselves, in order."""

    def __post_init__(self) -> None:
        self.ports = {name: free_port() for name in ("api", "worker", "trigger", "mlflow")}
        self.airflow = f"http://127.0.0.1:{self.ports['api']}"
        self.mlflow = f"http://127.0.0.1:{self.ports['mlflow']}"
        self._stopped: set[str] = set()
        self._changing = threading.Lock()
        self._over = threading.Event()
        file = self.home / "environment.toml"
        file.write_text(self._deployment())
        self.environment = self._environment(file)
        self.commands = {name: ["airflow", name] for name in AIRFLOW} | {"mlflow": self._mlflow()}

    def up(self) -> None:
        """Start it all and wait until it answers."""
        subprocess.run([sys.executable, "-c", PREPARE], env=self.environment, check=True, cwd=ROOT)
        self.ceph.new_bucket("mlflow")
        for name in self.commands:
            self.start(name)
        threading.Thread(target=self._supervise, daemon=True).start()
        until(self._is_up, "Airflow's services and MLflow", 300)

    def down(self) -> None:
        """End what was started here."""
        self._over.set()
        with self._changing:
            processes.end(self.services.values())

    def start(self, name: str) -> None:
        """Start one service, or start it again."""
        with self._changing:
            log = self.home / "services" / f"{name}.log"
            self.services[name] = processes.start(name, self.commands[name], self.environment, log)
            self._stopped.discard(name)

    def stop(self, name: str) -> None:
        """End one service, and leave it so."""
        with self._changing:
            self._stopped.add(name)
            processes.end([self.services[name]])

    def begin(self, name: str) -> RunLayout:
        """Open a run of the smoke preset in a store of its own, and trigger its campaign."""
        run = opening.open_run(f"s3://{BUCKET}/{name}", RUN, presets.resolve("smoke", FEWER), preset="smoke")
        conf = {"preset": None, "run_id": run.uri}
        self.ask(f"dags/{RETRAIN_DAG}/dagRuns", {"logical_date": None, "dag_run_id": f"campaign-{name}", "conf": conf})
        return run

    def wait(self, name: str, seconds: float = 1200) -> None:
        """Until the campaign has ended well. A failed task of it fails the test, with the task's name."""

        def ended() -> bool:
            states = self.states(f"campaign-{name}")
            assert "failed" not in [*states, *states.get("state", ())], states
            return states.get("state") == ["success"]

        until(ended, f"campaign-{name}", seconds)

    def states(self, dag_run: str) -> dict[str, list[str]]:
        """`state` of a campaign's DAG run and, where tasks of any DAG run failed for good, their names as `failed`."""
        try:
            state = self.ask(f"dags/{RETRAIN_DAG}/dagRuns/{dag_run}")["state"]
            found = self.ask(f"dags/{ITERATION_DAG}/dagRuns/~/taskInstances?state=failed")["task_instances"]
        except OSError:  # its database is away
            return {}
        failed = [f"{task['dag_run_id']} {task['task_id']}" for task in found]
        return {"state": [state]} | ({"failed": failed} if failed else {})

    def tasks(self, dag_run: str) -> list[dict[str, Any]]:
        """The task instances of an iteration's DAG run: `task_id`, `state`, `try_number`."""
        found: dict[str, list[dict[str, Any]]] = self.ask(f"dags/{ITERATION_DAG}/dagRuns/{dag_run}/taskInstances")
        return found["task_instances"]

    def has_database(self) -> bool:
        """Whether Airflow's api-server reaches Postgres."""
        try:
            with urllib.request.urlopen(f"{self.airflow}/api/v2/monitor/health", timeout=20) as answer:
                return bool(json.loads(answer.read())["metadatabase"]["status"] == "healthy")
        except OSError:
            return False

    def ask(self, path: str, data: Any = None) -> Any:
        """Airflow's REST API."""
        with urllib.request.urlopen(f"{self.airflow}/auth/token", timeout=20) as answer:
            token = json.loads(answer.read())["access_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Accept": "application/json"}
        body = json.dumps(data).encode() if data is not None else None
        request = urllib.request.Request(f"{self.airflow}/api/v2/{path}", body, headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())

    def _supervise(self) -> None:
        while not self._over.wait(1):
            with self._changing:
                ended = [
                    name
                    for name, service in self.services.items()
                    if name not in self._stopped and service.process() is None
                ]
            for name in ended:
                self.restarts.append(name)
                self.start(name)

    def _is_up(self) -> bool:
        try:
            health = self.ask("monitor/health")
            dags = {dag["dag_id"] for dag in self.ask("dags")["dags"]}
        except OSError:
            return False
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        well = all(health[part]["status"] == "healthy" for part in parts)
        return well and {RETRAIN_DAG, ITERATION_DAG} <= dags and answers(f"{self.mlflow}/health")

    def _deployment(self) -> str:
        named = "\n".join(f'{kind} = "{image}"' for kind, image in self.images.items())
        return (
            f'profile = "docker"\nstore = "s3://{BUCKET}/own"\ntracking_uri = "{self.mlflow}"\n'
            f"[images]\n{named}\nunpinned = true\n"
            f'[variables]\nAWS_ENDPOINT_URL = "{self.ceph.endpoint}"\nAWS_DEFAULT_REGION = "us-east-1"\n'
            'OMP_NUM_THREADS = "1"\n'  # equal bytes are promised on one thread
            '[docker]\nnetwork = "host"\nsecrets = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]\n'
        )

    def _environment(self, file: Path) -> dict[str, str]:
        given = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_", "AWS_"))}
        places = deployment.from_environment(
            {"DDPO_HOME": str(self.home), "DDPO_STORE": f"s3://{BUCKET}/own", "MLFLOW_TRACKING_URI": self.mlflow}
        )
        places.airflow_home.mkdir(parents=True)
        given |= airflow_home.settings(places) | airflow_home.keys(places) | self.ceph.environment
        password = quote(PASSWORDS["AIRFLOW_DB_PASSWORD"], safe="")
        database = f"airflow:{password}@127.0.0.1:{self.postgres.port}/airflow"
        return given | {
            "DDPO_ENVIRONMENT": str(file),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://{database}",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(self.ports["api"]),
            "AIRFLOW__API__BASE_URL": self.airflow,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.airflow}/execution/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(self.ports["worker"]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(self.ports["trigger"]),
            "MLFLOW_BACKEND_STORE_URI": "postgresql+psycopg2:///mlflow",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(self.postgres.port),
            "PGUSER": "mlflow",
            "PGPASSWORD": PASSWORDS["MLFLOW_DB_PASSWORD"],
        }

    def _mlflow(self) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(self.ports["mlflow"]), "--workers", "1"]
        return ["mlflow", "server", *address, "--serve-artifacts", "--artifacts-destination", "s3://mlflow/artifacts"]


def run_locally(home: Path) -> RunLayout:
    """The same run with every step in this machine's one warm process, on a file:// store."""
    uri = (home / "store").as_uri()
    given = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_", "AWS_"))}
    given |= {"DDPO_HOME": str(home), "DDPO_STORE": uri}
    command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", "run", "smoke", "--run-id", RUN]
    command += [part for change in FEWER for part in ("--set", change)]
    done = subprocess.run(command, env=given, text=True, capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return RunLayout.of(uri, RUN)


def digests(run: RunLayout) -> dict[str, str]:
    """Prefix below the run -> content digest of its commit: the same wherever the run was made.

    Plans and registrations say where it was made, in URIs: a plan is left out; of a registration, its policy counts.
    """
    found = {}
    for path, _, _ in store.below(run.uri):
        prefix, _, name = path.rpartition("/")
        if name == store.MARKER and prefix and not prefix.endswith("plan"):
            manifest = store.open_committed(f"{run.uri}/{prefix}").manifest
            registers = prefix.startswith("registrations/")
            found[prefix] = str(manifest.result["policy_id"]) if registers else manifest.content_digest
    return found


def committed(prefix: str) -> Callable[[], bool]:
    """Whether a prefix is whole; false while the store is away."""

    def is_there() -> bool:
        return store.find(prefix) is not None

    return is_there


def answers(url: str) -> bool:
    """Whether a server says 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for a condition. Fails, naming it, when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.5)
