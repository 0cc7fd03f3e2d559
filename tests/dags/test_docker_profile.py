"""What the engine would be asked for, without one: tests/system has the containers."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.core.contracts import StepName

pytest.importorskip("airflow.providers.docker", reason="the extra `containers` is not installed")

EXAMPLE = Path(__file__).resolve().parents[2] / "infra" / "environments" / "docker.toml"
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


class Asked:
    """An engine's API that writes down what it is asked for. Bodies are made by Docker's own client."""

    def __init__(self) -> None:
        from docker.types import HostConfig

        self.created: dict[str, Any] = {}
        self.removed: list[str] = []
        self.create_host_config = lambda **asked: HostConfig(version="1.41", **asked)

    def images(self, name: str) -> list[str]:
        return [name]

    def create_container(self, **asked: Any) -> dict[str, str]:
        self.created = asked
        return {"Id": "0a1b"}

    def attach(self, **asked: Any) -> list[bytes]:
        return []

    def start(self, container: str) -> None: ...

    def wait(self, container: str) -> dict[str, int]:
        return {"StatusCode": 0}

    def remove_container(self, name: str, force: bool) -> None:
        self.removed.append(name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    monkeypatch.setenv("DDPO_ENVIRONMENT", str(EXAMPLE))
    for name in SECRETS:
        monkeypatch.setenv(name, f"value of {name}")
    return Asked()


def run(asked: Asked, step: StepName, try_number: int = 1, run_id: str = "cats-it-0000") -> Any:
    from dags.pipeline.docker_profile import DockerStepOperator

    operator = DockerStepOperator(task_id=str(step), step=step, request="s3://b/r.json")
    operator.__dict__["hook"] = SimpleNamespace(api_client=asked, client_created=True)
    ti = SimpleNamespace(dag_id="d", run_id=run_id, task_id=str(step), map_index=0, try_number=try_number)
    operator.execute({"ti": ti})
    return operator


def test_a_container_field_by_field(asked: Asked) -> None:
    """The example's training: 8 cores, 48 GiB, one GPU."""
    run(asked, StepName.TRAINING)
    host = asked.created["host_config"]
    assert asked.created["command"] == ["python", "-m", "components.training", "--request", "s3://b/r.json"]
    assert asked.created["image"].startswith("registry.example.org/ddpo-diffusion@sha256:")
    assert host["NanoCpus"] == 8_000_000_000
    assert host["Memory"] == host["MemorySwap"] == 48 * 1024**3
    assert host["ReadonlyRootfs"] is True
    assert host["Tmpfs"] == {"/tmp": f"mode=1777,size={48 * 1024**3}"}
    assert host["CapDrop"] == ["ALL"]
    assert "CapAdd" not in host
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["Init"] is True
    assert host["PidsLimit"] == 4096
    assert host["NetworkMode"] == "ddpo-steps"
    assert not host.get("Privileged")
    assert host["DeviceRequests"] == [
        {"Driver": "", "Count": 1, "DeviceIDs": [], "Capabilities": [["gpu"]], "Options": {}}
    ]
    (mount,) = host["Mounts"]
    assert (mount["Source"], mount["Target"], mount["ReadOnly"]) == ("/srv/ddpo/models", "/models", True)
    assert asked.created["labels"].items() >= {
        "ddpo.dag": "d", "ddpo.run": "cats-it-0000", "ddpo.task": "training", "ddpo.try": "1",
    }.items()  # fmt: skip


def test_a_step_gets_its_own_secrets_and_no_page_shows_them(asked: Asked) -> None:
    operator = run(asked, StepName.TRAINING)
    environment = asked.created["environment"]
    assert environment["AWS_SECRET_ACCESS_KEY"] == "value of AWS_SECRET_ACCESS_KEY"
    assert not [name for name in environment if name.startswith("MLFLOW_")]
    assert "value of" not in str([getattr(operator, field) for field in operator.template_fields])
    run(asked, StepName.REGISTRATION)
    environment = asked.created["environment"]
    assert environment["MLFLOW_TRACKING_PASSWORD"] == "value of MLFLOW_TRACKING_PASSWORD"
    assert environment["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"


def test_a_step_without_a_gpu_asks_for_none(asked: Asked) -> None:
    run(asked, StepName.SCORING)
    assert "DeviceRequests" not in asked.created["host_config"]


def test_a_name_is_a_tasks_and_not_an_attempts(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt removes what bears its name before and after; another run, or store, has another name."""
    names = []
    for try_number, run_id, store in ((1, "a", "s3://x"), (2, "a", "s3://x"), (1, "b", "s3://x"), (1, "a", "s3://y")):
        monkeypatch.setenv("DDPO_STORE", store)
        names.append(run(asked, StepName.PROMPTS, try_number, run_id).container_name)
    assert names[0] == names[1]
    assert len(set(names)) == 3
    assert asked.removed == [name for name in names for _ in range(2)]


def test_a_step_ends_at_its_limit(asked: Asked) -> None:
    assert run(asked, StepName.TRAINING).execution_timeout.total_seconds() == 8 * 3600
