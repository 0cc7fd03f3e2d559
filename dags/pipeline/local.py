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
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from airflow.sdk import BaseOperator

from components.core.contracts import StepName
from components.core.lifeline import die_with_parent
from components.core.runner import load_request, run_request
from dags.pipeline.exit_codes import failure, meaning, scheduled_errors
from dags.pipeline.steps import argv

MODE_VARIABLE = "DDPO_STEPS"
IN_PROCESS = "in-process"

KEPT_LINES = 50
"""Last lines of a step's output, among which its error is looked for."""
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
        self._instead: list[str] = []
        self._child: subprocess.Popen[str] | None = None

    def run_instead(self, command: list[str]) -> None:
        """Run another command than the step's, as a process of its own."""
        self._instead = command

    def execute(self, context: Any) -> None:
        """Run the step to its commit."""
        command = self._instead or argv(self.step, self.request)
        self.log.info("%s", shlex.join(command))
        if os.environ.get(MODE_VARIABLE) != IN_PROCESS:
            die_with_parent()  # the parent is Airflow's supervisor: if it is killed, nobody reads this task any more
            self._run(command)
        elif self._instead:
            self._run(command)
        else:
            with scheduled_errors():
                run_request(self.step, load_request(self.step, self.request))

    def on_kill(self) -> None:
        """Airflow wants the task to end."""
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.terminate()
        elif os.environ.get(MODE_VARIABLE) == IN_PROCESS:
            raise KeyboardInterrupt

    def _run(self, command: list[str]) -> None:
        lines: list[str] = []
        command = [sys.executable if command[0] == "python" else command[0], *command[1:]]
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        ) as child:
            self._child = child
            assert child.stdout is not None
            for line in child.stdout:
                if line := line.rstrip():
                    self.log.info("%s", line)
                    lines = [*lines, line][-KEPT_LINES:]
        self._child = None
        if child.returncode != 0:
            raise failure(child.returncode, f"{self.step}: {meaning(child.returncode)}: {reason(lines)}")


def reason(lines: Iterable[str]) -> str:
    """Why a step ended, by what it wrote: its last error line, else its last line, as of a traceback.

    >>> reason(["Traceback (most recent call last):", "ZeroDivisionError: division by zero"])
    'ZeroDivisionError: division by zero'
    """
    written = [line for line in lines if line.strip()]
    errors = [error for line in written if (error := explain(line))]
    return [*written, *errors][-1].strip() if written else "it wrote nothing"


def explain(line: str) -> str:
    """The message of a step's error line; empty for any other line.

    >>> explain("2026-01-01T00:00:00Z ERROR   components.core.runner: sampling: MissingInput: no rows (a hint)")
    'MissingInput: no rows (a hint)'
    >>> explain("2026-01-01T00:00:00Z INFO    components.core.runner: sampling: committed")
    ''
    """
    found = ERROR_LINE.match(line)
    return re.sub(r"^\w+: (?=\w+: )", "", found["message"]) if found else ""
