"""A run that would destroy its pictures, with the real steps: the guard ends it, an earlier policy is promoted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.core.base_model import TINY

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.airflow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (TINY / "model_index.json").is_file(), reason="the embedded policy's weights are not here"),
]

HOT = ("training.learning_rate=3e-3", "evaluation.every=1", 'evaluation.judges=[{name="judge"}]')
"""Three times the preset's rate: at this one the animals are gone by iteration 12 (docs/log.md)."""


class Home:
    """A directory with a store, and the command line in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def ddpo(self, *arguments: str) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("AIRFLOW", "DDPO_", "MLFLOW_"))}
        environment |= {"DDPO_HOME": str(self.directory), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", "from dags.pipeline.cli import app; app()", *arguments]
        done = subprocess.run(command, env=environment, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ddpo("show", "hot", "--json"))
        return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    made = Home(tmp_path_factory.mktemp("guard"))
    changes = [part for change in HOT for part in ("--set", change)]
    made.ddpo("run", "demo-compressibility", "--run-id", "hot", "--iterations", "30", *changes)
    return made


def test_the_guard_stops_it_before_half_of_what_the_judge_saw_is_gone(home: Home) -> None:
    shown = home.shown()
    judged = [row["judge"] for row in shown["rows"] if row["judge"] is not None]
    assert len(judged) < 30
    assert judged[0] == 1.0
    assert min(judged) > 0.5
    assert shown["reason"].startswith(f"the guard failed policy {len(judged) - 1}: ")


def test_the_policy_to_promote_is_an_earlier_one_that_passes(home: Home) -> None:
    best, rows = home.shown()["best_policy"], home.shown()["rows"]
    assert 0 < best < len(rows) - 1
    assert "champion of ddpo-tiny-compressible" in home.ddpo("promote", "hot", "--yes")
    log = json.loads(home.ddpo("champion", "--json"))
    assert [(entry["action"], entry["policy"]) for entry in log] == [("base", 0), ("promote", best)]


def test_the_report_says_what_the_guard_said(home: Home, tmp_path: Path) -> None:
    home.ddpo("report", "hot", "--out", str(tmp_path / "hot.html"))
    page = (tmp_path / "hot.html").read_text()
    assert f"Fail: the guard failed policy {len(home.shown()['rows']) - 1}" in page
    assert f"Policy {home.shown()['best_policy']} is the best that passes" in page


def test_the_run_reads_back_whole(home: Home) -> None:
    assert home.ddpo("verify", "hot").startswith("sound: ")
