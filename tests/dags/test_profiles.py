"""One DAG, three profiles: where a step runs is all that differs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROFILES = ("local", "docker", "kubernetes")
CLASSES = {"local": "LocalStepOperator", "docker": "DockerStepOperator", "kubernetes": "KubernetesStepOperator"}
DIGEST = "@sha256:" + "0" * 64
TEXT = f"""
store = "s3://bucket/store"
tracking_uri = "http://mlflow:5000"
[images]
cpu = "c{DIGEST}"
diffusion = "d{DIGEST}"
scoring = "s{DIGEST}"
[variables]
AWS_ENDPOINT_URL = "http://rgw:8000"
[pools]
gpu = 4
[resources.training]
gpus = 2
"""

pytest.importorskip("airflow.providers.docker", reason="the extra `containers` is not installed")
pytest.importorskip("airflow.providers.cncf.kubernetes", reason="the extra `containers` is not installed")


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Profile -> the DAGs and the steps under it."""
    directory = tmp_path_factory.mktemp("profiles")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DDPO_", "MLFLOW_", "AWS_"))}
    found = {}
    for profile in PROFILES:
        file = directory / f"{profile}.toml"
        file.write_text(f'profile = "{profile}"\n{TEXT}')
        command = [sys.executable, "-m", "tests.dags.profile_parity"]
        done = subprocess.run(
            command, env=kept | {"DDPO_ENVIRONMENT": str(file)}, capture_output=True, text=True, check=True
        )
        found[profile] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_each_profile_has_an_operator_of_its_own(parsed: dict[str, Any]) -> None:
    assert {profile: found["classes"] for profile, found in parsed.items()} == {
        profile: [name] for profile, name in CLASSES.items()
    }
    assert all(found["errors"] == {} for found in parsed.values())
    steps = parsed["docker"]["of_class"]["ddpo_iteration"]
    sampled = [f"{group}.{step}" for group in ("shards", "evaluation_shards") for step in ("sampling", "scoring")]
    assert steps == sorted([*sampled, "prompts", "training", "evaluation", "register", "report"])


@pytest.mark.parametrize("what", ["dags", "of_class", "argv"])
def test_ids_edges_retries_pools_and_commands_are_equal(parsed: dict[str, Any], what: str) -> None:
    local, docker, kubernetes = (parsed[profile][what] for profile in PROFILES)
    assert local
    assert local == docker == kubernetes


def test_a_training_on_two_gpus_takes_two_slots(parsed: dict[str, Any]) -> None:
    pools = {name: task["pool"] for name, task in parsed["docker"]["dags"]["ddpo_iteration"].items()}
    assert pools["training"] == ["gpu", 2]
    assert (pools["shards.sampling"], pools["shards.scoring"]) == (["gpu", 1], ["scoring", 1])


def test_a_steps_environment_is_equal_but_for_its_image(parsed: dict[str, Any]) -> None:
    local, docker, kubernetes = (parsed[profile]["variables"] for profile in PROFILES)
    assert docker == kubernetes == {step: sorted([*names, "DDPO_IMAGE"]) for step, names in local.items()}


def test_the_command_and_the_environment_of_a_step(parsed: dict[str, Any]) -> None:
    argv = parsed["kubernetes"]["argv"]
    assert argv["training"] == [
        *("python", "-m", "components.training", "--request", "s3://bucket/plan/request.json"),
    ]
    variables = parsed["local"]["variables"]
    assert variables["scoring"] == ["AWS_ENDPOINT_URL", "DDPO_STORE"]
    assert variables["registration"] == ["AWS_ENDPOINT_URL", "DDPO_STORE", "MLFLOW_TRACKING_URI"]


def test_a_profile_whose_provider_is_missing_says_what_to_install(tmp_path: Path) -> None:
    file = tmp_path / "docker.toml"
    file.write_text(f'profile = "docker"\n{TEXT}')
    code = "import sys; sys.modules['docker'] = None; import dags.ddpo_iteration"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"DDPO_ENVIRONMENT": str(file)}, capture_output=True, text=True
    )
    last = done.stderr.splitlines()[-1]
    assert "BadRequest: profile docker needs docker." in last
    assert last.endswith(", which is not installed (install the extra `containers`)")
