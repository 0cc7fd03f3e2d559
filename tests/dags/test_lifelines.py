"""A step dies with its supervisor: nobody may go on writing beside its own retry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

STEP = """
import os, pathlib, sys, time
from components.core.lifeline import die_with_parent
die_with_parent()
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""

TASK = """
import os, pathlib, sys
from components.core.contracts import StepName
from dags.pipeline import local
directory = pathlib.Path(sys.argv[1])
(directory / "task").write_text(str(os.getpid()))
local.argv = lambda step, request: [sys.executable, str(directory / "step.py"), str(directory / "step")]
local.LocalStepOperator(task_id="sampling", step=StepName.SAMPLING, request="").execute({})
"""

SUPERVISOR = "import subprocess, sys; subprocess.run([sys.executable, sys.argv[1] + '/task.py', sys.argv[1]])"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_killed_supervisor_takes_its_task_and_its_step_along(tmp_path: Path) -> None:
    (tmp_path / "step.py").write_text(STEP)
    (tmp_path / "task.py").write_text(TASK)
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    environment.pop("DDPO_STEPS", None)
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], env=environment, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not (tmp_path / "step").exists() or not (tmp_path / "step").read_text():
        assert supervisor.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    family = [psutil.Process(int((tmp_path / name).read_text())) for name in ("task", "step")]
    supervisor.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
