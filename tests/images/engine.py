"""The container engine that the system tests run on, and one way to run an image: as a cluster would, locked down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

REQUIRED = "DDPO_SYSTEM_TESTS"
"""`required` makes a missing engine a failure: CI must not be green because nothing ran."""

LOCKED_DOWN = (
    "--rm",
    "--read-only",
    "--tmpfs=/tmp:mode=1777",
    "--network=none",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)


class Engine:
    """A client whose daemon answers."""

    def __init__(self, client: str) -> None:
        self.client = client

    def run(
        self, image: str, *argv: str, mounts: Mapping[Path, str] = {}, options: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a container that may write to /tmp and to what is mounted, and nowhere else."""
        volumes = [f"--volume={place}:{place}:{mode}" for place, mode in mounts.items()]
        return self(*["run", *LOCKED_DOWN, *options, *volumes, image, *argv])

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows of an image."""
        (found,) = json.loads(self("image", "inspect", image).stdout)
        return dict(found)

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.client, *arguments], capture_output=True, text=True, timeout=300)


def find_engine() -> Engine:
    """ENGINE, or docker; a test that asks skips, or fails where it is required, with the reason."""
    client = os.environ.get("ENGINE") or shutil.which("docker")
    reason = "no docker client is installed"
    if client is not None:
        done = subprocess.run([client, "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True)
        if done.returncode == 0:
            return Engine(client)
        reason = (done.stderr or done.stdout).strip().splitlines()[-1]
    message = f"SYSTEM TEST NOT RUN: no container engine: {reason}"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(message)
    pytest.skip(message)
