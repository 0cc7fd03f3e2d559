"""Follow the tasks of `dag.test()`: their logs go where Airflow's UI looks for them, and their errors are kept.

A real task's log is written by its supervisor. `dag.test()` has none and prints everything, so each attempt's output is
led to the file that Airflow's own template names.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from airflow.configuration import conf
from airflow.listeners import hookimpl
from airflow.sdk.exceptions import AirflowException
from jinja2 import Template

from dags.pipeline.diverted import Diverted


@dataclass(frozen=True)
class FailedTask:
    """An attempt that failed."""

    task_id: str
    map_index: int
    try_number: int
    error: BaseException
    log: Path

    @property
    def name(self) -> str:
        """The task and, in a mapped group, which of its shards."""
        return f"{self.task_id}[{self.map_index}]" if self.map_index >= 0 else self.task_id

    @property
    def reason(self) -> str:
        """The error in one line; the kind of one that nobody foresaw stands before it."""
        line = (str(self.error).splitlines() or [""])[0]
        return line if isinstance(self.error, AirflowException) else f"{type(self.error).__name__}: {line}"


class TaskListener:
    """Registered with Airflow for as long as a driver runs."""

    def __init__(
        self, output: Diverted, on_start: Callable[[str], None], on_retry: Callable[[FailedTask], None]
    ) -> None:
        self._output = output
        self._on_start = on_start
        self._on_retry = on_retry
        self.failed: list[FailedTask] = []

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        """A task begins."""
        signal.signal(signal.SIGTERM, _interrupt)  # Airflow has just put its own in its place
        self._output.to(log_file(task_instance))
        self._on_start(task_instance.task_id)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """A task is done."""
        self._output.back()

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """A task skipped itself."""
        self._output.back()

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """An attempt failed; it may be tried again. An interrupt is no failure: it ends the driver."""
        self._output.back()
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt
        failed = FailedTask(
            task_id=task_instance.task_id,
            map_index=task_instance.map_index if task_instance.map_index is not None else -1,
            try_number=task_instance.try_number,
            error=error if isinstance(error, BaseException) else RuntimeError(str(error)),
            log=log_file(task_instance),
        )
        self.failed.append(failed)
        if task_instance.state == "up_for_retry":
            self._on_retry(failed)


def log_file(task_instance: Any) -> Path:
    """Where the UI looks for the log of this attempt."""
    template = Template(conf.get("logging", "log_filename_template"))
    name: str = template.render(ti=task_instance, try_number=task_instance.try_number)
    return Path(str(conf.get("logging", "base_log_folder"))) / name


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
