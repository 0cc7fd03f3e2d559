"""A DDPO_HOME with a store, the command line in it with fake steps, and a look into its Airflow."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.dags.fake_steps import base_model


@dataclass(frozen=True)
class Driven:
    """What became of a DAG run."""

    state: str
    tasks: dict[str, str]
    said: str
    """Everything that was logged."""


class Home:
    """A DDPO_HOME with a store, and the command line in it."""

    def __init__(self, directory: Path, **environment: str) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.base = base_model(directory / "base")
        self.store = (directory / "store").as_uri()
        self.environment = environment
        """Of every command, unless the command says otherwise."""

    def ddpo(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        return self.python("tests.dags.fake_steps", *arguments, **environment)

    def python(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        env = os.environ | {
            "DDPO_HOME": str(self.directory),
            "DDPO_RETRY_SECONDS": "0.1",
            "FAKE_CALLS": str(self.calls),
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody listens: tracking must not matter
            **self.environment,
            **environment,
        }
        for name in {"DDPO_STORE", "AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER"} - set(environment):
            env.pop(name, None)
        command = [sys.executable, "-m", module, *arguments]
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a shell's background: its children would inherit it
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return subprocess.Popen(
            command, env=env, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def run(self, name: str, *changes: str, **environment: str) -> tuple[int, str, str]:
        """`ddpo run smoke` to its end: exit code, stdout, stderr."""
        settings = [part for change in (f"base.model={self.base}", *changes) for part in ("--set", change)]
        return finished(self.ddpo("run", "smoke", "--run-id", name, *settings, **environment))

    def dag_run(self, dag_id: str, run_id: str, conf: dict[str, Any], **environment: str) -> Driven:
        """One DAG run through `dag.test()`."""
        done = finished(self.python("tests.dags.driven", dag_id, run_id, json.dumps(conf), **environment))
        assert done[0] == 0, done[2]
        found = json.loads(done[1].splitlines()[-1])
        return Driven(found["state"], found["tasks"], "\n".join(done[1:]))

    def dag_runs(self, name: str) -> dict[str, str]:
        return dict(self.sql("select run_id, state from dag_run where run_id like ? order by run_id", f"{name}%"))

    def sql(self, query: str, *values: str) -> list[Any]:
        with sqlite3.connect(self.directory / "airflow" / "airflow.db") as database:
            return database.execute(query, values).fetchall()

    def log(self, name: str, task: str, attempt: int = 1, dag_id: str = "ddpo_iteration") -> str:
        """A step's log, where Airflow's UI looks for it."""
        place = f"airflow/logs/dag_id={dag_id}/run_id={name}/task_id={task}/attempt={attempt}.log"
        return (self.directory / place).read_text()

    def called(self, step: str, name: str) -> int:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return sum(line.startswith(f"{step} ") and f"/runs/{name}/" in line for line in lines)

    def prefix(self, name: str) -> str:
        return f"{self.store}/runs/{name}"


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        try:
            out, err = process.communicate(timeout=800)
        finally:
            process.kill()
    return process.returncode, out, err


def wait_for(condition: object, seconds: float = 400) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)
