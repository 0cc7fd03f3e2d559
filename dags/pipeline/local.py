"""The local profile: a step runs on this machine, as a process of its own or inside the driver's.

Under Airflow's services a step is the same command that a container would run. `ddpo run` has no services: it drives
the same DAG and runs the same step functions in one warm process, and sets DDPO_STEPS=in-process to say so. Both commit
the same bytes, because both are `components.core.runner`.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator

from components.core.contracts import StepName
from components.core.lifeline import die_with_parent
from components.core.runner import load_request, run_request
from dags.pipeline.exit_codes import failure, meaning, scheduled_errors
from dags.pipeline.steps import argv

MODE_VARIABLE = "DDPO_STEPS"
IN_PROCESS = "in-process"

ERROR_LINE = re.compile(r"^\S+ (?:ERROR|CRITICAL)\s+\S+: (?P<message>.*)$")
"""How a step's command writes its one-line error."""


class LocalStepOperator(BaseOperator):
    """One step on this machine. The mode is looked up when it runs: the DAG is the same in both."""

    template_fields: Sequence[str] = ("request",)
    ui_color = "#e8f1ea"

    def __init__(self, *, step: StepName, request: Any, **kwargs: Any) -> None:
        super().__init__(do_xcom_push=False, **kwargs)
        self.step = step
        self.request = request
        self._child: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> None:
        """Run the step to its commit."""
        command = argv(self.step, self.request)
        self.log.info("%s", shlex.join(command))
        if os.environ.get(MODE_VARIABLE) == IN_PROCESS:
            with scheduled_errors():
                run_request(self.step, load_request(self.step, self.request))
        else:
            die_with_parent()  # the parent is Airflow's supervisor: if it is killed, nobody reads this task any more
            self._run(command)

    def on_kill(self) -> None:
        """Airflow wants the task to end."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()
        elif os.environ.get(MODE_VARIABLE) == IN_PROCESS:
            raise KeyboardInterrupt

    def _run(self, command: list[str]) -> None:
        last = ""
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        ) as child:
            self._child = child
            assert child.stdout is not None
            for line in child.stdout:
                if line := line.rstrip():
                    self.log.info("%s", line)
                    last = explain(line) or last
        self._child = None
        if child.returncode != 0:
            raise failure(child.returncode, f"{self.step}: {meaning(child.returncode)}: {last or 'see the log above'}")


def explain(line: str) -> str:
    """The message of a step's error line; empty for any other line.

    >>> explain("2026-01-01T00:00:00Z ERROR   components.core.runner: sampling: MissingInput: no rows (a hint)")
    'MissingInput: no rows (a hint)'
    >>> explain("2026-01-01T00:00:00Z INFO    components.core.runner: sampling: committed")
    ''
    """
    found = ERROR_LINE.match(line)
    return re.sub(r"^\w+: (?=\w+: )", "", found["message"]) if found else ""
