"""The engine and the step images that the system tests of the profiles run on.

DOCKER_HOST             the engine, as Docker's own clients find it
DDPO_TEST_IMAGES        tag of the four images, or `registry/...ddpo-{}:tag` (default: the commit's first 12 digits)
DDPO_SYSTEM_TESTS       `required`: what is missing is a failure, and no skip
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIRED = "DDPO_SYSTEM_TESTS"
TAG = "DDPO_TEST_IMAGES"
SETS = ("cpu", "diffusion", "scoring")


def not_run(reason: str) -> NoReturn:
    """Skip with a loud line; fail where these tests must run."""
    message = f"SYSTEM TEST NOT RUN: {reason}"
    if os.environ.get(REQUIRED) == "required":
        pytest.fail(message)
    pytest.skip(message)


def image_tag() -> str:
    """The tag that is tested: TAG's, else the commit's first 12 digits, as `make images` names them."""
    commit = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=ROOT, text=True).strip()
    return os.environ.get(TAG) or commit[:12]


def step_images() -> dict[str, str]:
    """Image set -> a name that the engine has."""
    docker = pytest.importorskip("docker", reason="the extra `containers` is not installed")
    try:
        engine = docker.from_env()
        engine.ping()
    except Exception as error:
        not_run(f"no container engine at DOCKER_HOST = {os.environ.get('DOCKER_HOST', '(unset)')}: {error}")
    tag = image_tag()
    names = {kind: tag.format(kind) if "{}" in tag else f"ddpo-{kind}:{tag}" for kind in SETS}
    for name in names.values():
        if not engine.images.list(name):
            not_run(f"the engine has no image {name}: `make images`, or name others in {TAG}")
    return names
