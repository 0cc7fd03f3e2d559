"""The processes that `ddpo up` started: a file remembers them, and only they are ever ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Service:
    """One process, in a session of its own."""

    name: str
    pid: int
    started: float
    """When, as the kernel has it: a number that was used again is another process."""
    log: str

    def process(self) -> psutil.Process | None:
        """The process, if it is still the one that was started."""
        try:
            process = psutil.Process(self.pid)
            alive = abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None


@dataclass(frozen=True)
class Services:
    """What is up, and where."""

    services: tuple[Service, ...]
    urls: dict[str, str]

    def save(self, path: Path) -> None:
        """Remember them, whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = path.with_suffix(".new")
        staged.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        staged.replace(path)

    @classmethod
    def read(cls, path: Path) -> Services | None:
        """What was remembered, or None."""
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(tuple(Service(**service) for service in tree["services"]), tree["urls"])

    def alive(self) -> list[Service]:
        """Those that are running."""
        return [service for service in self.services if service.process() is not None]


def start(name: str, command: list[str], environment: dict[str, str], log: Path) -> Service:
    """Start a service in a session of its own: closing the terminal does not end it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    return Service(name, child.pid, psutil.Process(child.pid).create_time(), str(log))


def end(services: Iterable[Service]) -> None:
    """End services and all that they started: first politely, then not. Airflow's tasks have groups of their own."""
    family: list[psutil.Process] = []
    for service in services:
        if (process := service.process()) is not None:
            family += [process, *process.children(recursive=True)]
            _signal_group(service.pid, signal.SIGTERM)
    _, left = psutil.wait_procs(family, timeout=GRACE_SECONDS)
    for process in left:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, timeout=5)


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
