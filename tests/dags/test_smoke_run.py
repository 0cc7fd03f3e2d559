"""The smoke preset with the real steps: the whole pipeline in one process, and every command that looks at it after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.core.base_model import TINY

pytestmark = [
    pytest.mark.slow,
    pytest.mark.airflow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(not (TINY / "model_index.json").is_file(), reason="the embedded policy's weights are not here"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("smoke")
    done = ddpo(directory, "run", "smoke", "--run-id", "cats")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    ended, champion = done.stdout.splitlines()[-2:]
    assert ended.startswith("run cats: all 2 iterations done")
    assert champion.startswith("policy 2 ")  # what the gates make of it
    return directory


def ddpo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_"))}
    environment |= {"DDPO_HOME": str(home), "OMP_NUM_THREADS": "1"}  # two spinning threads starve on a busy machine
    command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", *arguments]
    return subprocess.run(command, env=environment, text=True, capture_output=True)


def test_the_sampler_and_the_trainer_agree(home: Path) -> None:
    """The importance ratio across the store is 1, also in the iteration that has an adapter."""
    shown = json.loads(ddpo(home, "show", "cats", "--json").stdout)
    ratios = [row["ratio"] for row in shown["rows"] if row["iteration"] is not None]
    assert len(ratios) == 2
    assert max(ratios) <= 1e-5


def test_the_first_evaluation_is_the_base_itself(home: Path) -> None:
    start, _, last = json.loads(ddpo(home, "show", "cats", "--json").stdout)["rows"]
    assert start["gain"] == [0.0, 0.0, 0.0]
    assert last["gain"] is not None
    assert 0 <= last["judge"] <= 1


def test_the_run_is_sound(home: Path) -> None:
    done = ddpo(home, "verify", "cats")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("sound: ")


def test_mlflow_has_the_curves_and_the_registered_policy(home: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home}/mlflow/mlflow.db")
    (version,) = client.search_model_versions("name='ddpo-tiny'")
    assert version.run_id
    parents = [run for run in client.search_runs(["1"]) if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    assert len(client.get_metric_history(parents[0].info.run_id, "reward/mean")) == 2


def test_a_policy_draws_for_people(home: Path) -> None:
    done = ddpo(home, "sample", "cats", "--prompt", "a cat", "--count", "2", "--out", str(home / "drawn"))
    assert done.returncode == 0, done.stderr
    assert len(list((home / "drawn").glob("*.png"))) == 2
    assert ddpo(home, "sample", "cats", "--prompt", "a cat", "--policy", "9").returncode == 64


def test_the_report_is_one_file(home: Path) -> None:
    done = ddpo(home, "report", "cats", "--out", str(home / "report.html"))
    assert done.returncode == 0, done.stderr
    page = (home / "report.html").read_text()
    assert "cats" in page
    assert 'src="http' not in page
