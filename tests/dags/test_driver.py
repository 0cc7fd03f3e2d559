"""`ddpo run` drives the real DAGs without a server: to the end, through a retry, a failure, a kill and a resume.

The steps are fakes that commit at once (`fake_steps`); everything else is real: Airflow, its database, the store.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from components.core import store
from tests.dags.fake_steps import base_model

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


class Home:
    """A DDPO_HOME with a store, and the command line in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.calls = directory / "calls"
        self.base = base_model(directory / "base")

    def ddpo(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        env = os.environ | {
            "DDPO_HOME": str(self.directory),
            "DDPO_RETRY_SECONDS": "0.1",
            "FAKE_CALLS": str(self.calls),
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",  # nobody listens: tracking must not matter
            **environment,
        }
        for name in ("DDPO_STORE", "AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER"):
            env.pop(name, None)
        command = [sys.executable, "-m", "tests.dags.fake_steps", *arguments]
        return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, name: str, **environment: str) -> tuple[int, str, str]:
        """`ddpo run smoke` to its end: exit code, stdout, stderr."""
        command = ("run", "smoke", "--run-id", name, "--set", f"base.model={self.base}")
        return finished(self.ddpo(*command, **environment))

    def dag_runs(self, name: str) -> dict[str, str]:
        with sqlite3.connect(self.directory / "airflow" / "airflow.db") as database:
            query = "select run_id, state from dag_run where run_id like ? order by run_id"
            return dict(database.execute(query, (f"{name}%",)).fetchall())

    def log(self, name: str, task: str, attempt: int = 1) -> str:
        """A step's log, where Airflow's UI looks for it."""
        place = f"airflow/logs/dag_id=ddpo_iteration/run_id={name}/task_id={task}/attempt={attempt}.log"
        return (self.directory / place).read_text()

    def called(self, step: str, name: str) -> int:
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return sum(line.startswith(f"{step} ") and f"/runs/{name}/" in line for line in lines)

    def prefix(self, name: str) -> str:
        return f"{(self.directory / 'store').as_uri()}/runs/{name}"


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        try:
            out, err = process.communicate(timeout=800)
        finally:
            process.kill()
    return process.returncode, out, err


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("ddpo"))


def test_a_run_goes_to_its_end_through_a_busy_service(home: Home) -> None:
    """The first training exits 75 once: it is tried again, and one attempt commits."""
    code, out, err = home.run("cats", FAKE_FAIL_ONCE="training")
    assert (code, err) == (0, "")
    assert home.dag_runs("cats") == {"cats": "success", "cats-it-0000": "success", "cats-it-0001": "success"}
    assert home.called("training", "cats") == 3
    attempts = store.children(f"{home.prefix('cats')}/iterations/0000/training/attempts")
    assert attempts == [store.open_committed(f"{home.prefix('cats')}/iterations/0000/training").manifest.attempt]
    assert store.find(f"{home.prefix('cats')}/registrations/0002") is not None

    lines = out.splitlines()
    assert lines[0].startswith("run cats: 0 of 2 iterations done")
    assert lines[1].split()[:2] == ["iteration", "queries"]
    assert [line.split()[0] for line in lines[2:6]] == ["start", "training:", "0", "1"]  # and nothing of Airflow's
    assert "the service is busy; trying again" in lines[3]
    assert "+0.20 [+0.10 +0.40]" in lines[5]
    assert lines[6].startswith("run cats: all 2 iterations done")
    assert lines[7] == (
        "policy 2 passes every gate to be champion of ddpo-tiny; the config asks for a person: "
        "`ddpo promote cats` does it"
    )


def test_the_logs_of_steps_are_where_airflow_looks_for_them(home: Home) -> None:
    log = home.log("cats-it-0001", "training").splitlines()
    assert "a line that training printed" in log
    committed = next(json.loads(line) for line in log if "training: committed" in line)
    assert {"timestamp", "level", "event", "logger"} <= set(committed)
    assert "the service is busy" in home.log("cats-it-0000", "training", attempt=1)
    assert "training: committed" in home.log("cats-it-0000", "training", attempt=2)


def test_a_finished_run_finds_nothing_to_do(home: Home) -> None:
    code, out, err = home.run("cats")
    assert (code, err) == (0, "")
    assert home.called("training", "cats") == 3
    assert out.splitlines()[0].startswith("run cats: 2 of 2 iterations done")


def test_a_failed_step_a_kill_and_a_resume(home: Home) -> None:
    code, _, err = home.run("dogs", FAKE_FAIL="training")
    assert code == 65
    assert err.startswith("error: training: the shard is corrupt (look at it; log: ")
    assert err.count("\n") == 1
    assert Path(err.strip().removesuffix(")").partition("log: ")[2]).is_file()
    assert home.dag_runs("dogs") == {"dogs": "success", "dogs-it-0000": "failed"}

    killed = home.ddpo("resume", "dogs", FAKE_SLOW="training")
    wait_for(lambda: home.called("training", "dogs") == 2)
    killed.send_signal(signal.SIGKILL)
    finished(killed)
    assert home.dag_runs("dogs")["dogs-it-0000"] == "running"  # nobody could say otherwise

    interrupted = home.ddpo("resume", "dogs", FAKE_SLOW="training")
    wait_for(lambda: home.called("training", "dogs") == 3)
    interrupted.send_signal(signal.SIGINT)
    code, _, err = finished(interrupted)
    assert (code, err) == (130, "error: interrupted; what is committed is safe: `ddpo resume dogs` goes on\n")
    assert home.dag_runs("dogs")["dogs-it-0000"] == "failed"

    code, out, err = finished(home.ddpo("resume", "dogs"))
    assert (code, err) == (0, "")
    assert out.splitlines()[-2].startswith("run dogs: all 2 iterations done")
    assert set(home.dag_runs("dogs").values()) == {"success"}
    assert home.called("sampling", "dogs") == 10  # two shards, and the sampler that ships in evaluations: none twice
    assert home.called("training", "dogs") == 5


def test_the_run_that_was_killed_is_sound(home: Home) -> None:
    code, out, _ = finished(home.ddpo("verify", "dogs"))
    assert code == 0
    assert "2 policies" in out


def wait_for(condition: object, seconds: float = 400) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)
