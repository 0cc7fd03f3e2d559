"""Compose's own reading of its file, with settings made as an operator makes them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

COMPOSE = Path(__file__).resolve().parents[2] / "infra" / "compose"
FILE = COMPOSE / "docker-compose.yml"
DIGEST = "sha256:" + "0" * 64

CHOSEN = {
    "DDPO_AIRFLOW_IMAGE": f"registry.example.org/ddpo-airflow@{DIGEST}",
    "MLFLOW_IMAGE": f"registry.example.org/mlflow@{DIGEST}",
    "POSTGRES_IMAGE": f"postgres@{DIGEST}",
    "DOCKER_PROXY_IMAGE": f"wollomatic/socket-proxy@{DIGEST}",
    "DDPO_STORE": "s3://example/store",
    "AWS_DEFAULT_REGION": "default",
    "DDPO_S3_ACCESS_KEY_ID": "store-key",
    "DDPO_S3_SECRET_ACCESS_KEY": "store-secret",
    "MLFLOW_ARTIFACTS": "s3://artifacts/mlflow",
    "MLFLOW_S3_ACCESS_KEY_ID": "artifacts-key",
    "MLFLOW_S3_SECRET_ACCESS_KEY": "artifacts-secret",
    "DOCKER_GROUP_ID": "998",
}
"""What an operator fills in; make-secrets.sh makes the rest."""


@cache
def compose() -> tuple[str, ...]:
    """The command of whichever compose is installed: 1.29 or v2."""
    if shutil.which("docker") and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    pytest.skip("neither docker-compose nor docker compose is installed")


def config(environment_file: Path) -> subprocess.CompletedProcess[str]:
    """What compose makes of the file with these settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [*compose(), "--file", str(FILE), "--env-file", str(environment_file), "--profile", "weights", "config"]
    return subprocess.run(command, env=kept, text=True, capture_output=True, cwd=COMPOSE)


def settings_in(directory: Path) -> Path:
    """A complete .env in this directory."""
    file = directory / ".env"
    shutil.copy(COMPOSE / ".env.example", file)
    subprocess.run([COMPOSE / "make-secrets.sh", file], check=True, capture_output=True)
    text = file.read_text()
    for name, value in CHOSEN.items():
        text, times = re.subn(rf"^{name}=$", f"{name}={value}", text, flags=re.MULTILINE)
        assert times == 1, name
    file.write_text(text)
    return file
