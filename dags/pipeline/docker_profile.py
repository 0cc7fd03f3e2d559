"""The docker profile: a step is a container of the deployment's engine, confined, and removed when it has ended.

Airflow's DockerOperator starts it, follows its log and stops it. This class says what it may do and what its end means.
A container bears the name of its task and not of its attempt: the engine itself refuses a second one beside it, and an
attempt begins by removing what the one before left running when its worker died.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import requests
from airflow.providers.docker.exceptions import DockerContainerFailedException
from airflow.providers.docker.operators.docker import DockerOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.sdk.log import mask_secret
from docker.errors import DockerException, NotFound
from docker.types import DeviceRequest, Mount

from components.core.contracts import StepName
from dags.pipeline import environment, reward_images
from dags.pipeline.environment import Environment, Resources, Volume, belongs
from dags.pipeline.exit_codes import failure, meaning
from dags.pipeline.local import reason
from dags.pipeline.steps import argv

PROCESSES = 4096
"""Processes and threads of one step: torch starts some for each core, a fork bomb many more."""


class DockerStepOperator(DockerOperator):
    """One step as a container."""

    template_ext: Sequence[str] = ()  # nothing is read from a file because its name ends in .sh
    ui_color = "#e3edf7"

    def __init__(self, *, step: StepName, request: Any, **kwargs: Any) -> None:
        deployment = environment.current()
        resources = deployment.resources_of(step)
        kwargs.setdefault("execution_timeout", timedelta(minutes=resources.minutes))
        super().__init__(
            image=deployment.image(step),
            command=argv(step, request),
            environment=deployment.variables_of(step),
            docker_url=deployment.docker.url,
            docker_conn_id=deployment.docker.registry,
            network_mode=deployment.docker.network,
            mounts=[_mount(volume) for volume in deployment.volumes],
            cpus=resources.cpus,
            mem_limit=resources.memory_bytes,
            shm_size=resources.memory_bytes,  # a ceiling: what is used of it counts as memory
            device_requests=_gpus(resources),
            mount_tmp_dir=False,
            auto_remove="never",  # its end is looked into first
            do_xcom_push=False,
            **kwargs,
        )
        self.step = step
        self.limits = resources

    def run_instead(self, command: list[str]) -> None:
        """Run another command than the step's, in the step's image."""
        self.command = command

    @property
    def cli(self) -> Any:
        """The engine's client, which confines every container that it creates."""
        return _Confining(self.hook.api_client, confinement(self.limits))

    def execute(self, context: Any) -> None:
        """Run the step to its commit."""
        deployment = environment.current()
        if image := reward_images.own_image(self.step, list(self.command or ()), deployment):
            self.image, self.environment = image, deployment.variables_of(self.step, image=image)
        self._private_environment = secrets_of(self.step, deployment)
        self.labels = labels(context)
        self.container_name = container_name(self.step, self.labels)
        with self._engine_errors():
            self._remove()
            try:
                super().execute(context)
            except DockerContainerFailedException as error:
                raise self._failure([str(line) for line in error.logs or ()]) from None
            finally:
                self._remove()

    def on_kill(self) -> None:
        """Airflow wants the task to end: what a step leaves without a commit is an orphan, so it need not be asked."""
        if self.hook.client_created and self.container_name:
            self._remove()

    def _failure(self, lines: list[str]) -> AirflowException:
        state = self.cli.inspect_container(self.container["Id"])["State"]
        code = int(state["ExitCode"])
        how = meaning(code)
        if state["OOMKilled"]:
            how = f"out of memory: killed at {self.limits.memory} (resources.{self.step}.memory)"
        return failure(code, f"{self.step}: {how}: {reason(lines)}")

    def _remove(self) -> None:
        """Remove this task's container, running or not."""
        try:
            self.cli.remove_container(self.container_name, force=True)
        except NotFound:
            return

    @contextmanager
    def _engine_errors(self) -> Iterator[None]:
        """Inside, an engine that refuses or is away is one line, and a retry."""
        try:
            yield
        except (DockerException, requests.RequestException) as error:
            said = getattr(error, "explanation", None) or error
            raise AirflowException(f"{self.step}: the container engine: {said}") from error


class _Confining:
    """An engine's client. DockerOperator passes no confinement to `create_host_config`, so it is added in passing."""

    def __init__(self, client: Any, confinement: dict[str, Any]) -> None:
        self._client = client
        self._confinement = confinement

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def create_host_config(self, **asked: Any) -> Any:
        """What the operator asks for, confined."""
        return self._client.create_host_config(**asked, **self._confinement)


def confinement(resources: Resources) -> dict[str, Any]:
    """What a step's container may not do, in the words of the engine's API."""
    return {
        "read_only": True,
        "tmpfs": {"/tmp": f"mode=1777,size={resources.memory_bytes}"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "init": True,  # somebody must reap a step's own children
        "pids_limit": PROCESSES,
        "nano_cpus": round(resources.cpus * 1e9),  # the operator's own `cpus` is a share, and no limit
        "memswap_limit": resources.memory_bytes,  # equal to the memory: no swap
    }


def secrets_of(step: StepName, deployment: Environment) -> dict[str, str]:
    """The step's secrets, from this process's environment. What is not there cannot get better by a retry."""
    names = [name for name in deployment.docker.secrets if belongs(name, step)]
    if missing := [name for name in names if name not in os.environ]:
        raise AirflowFailException(
            f"{step}: docker.secrets names {missing[0]}, which the scheduler's environment lacks"
        )
    secrets = {name: os.environ[name] for name in names}
    for value in secrets.values():
        mask_secret(value)
    return secrets


def labels(context: Any) -> dict[str, str]:
    """Whose container it is: `docker ps --filter label=ddpo.run=demo-it-0007`."""
    ti = context["ti"]
    return {
        "ddpo.dag": ti.dag_id,
        "ddpo.run": ti.run_id,
        "ddpo.task": ti.task_id,
        "ddpo.map_index": str(ti.map_index),
        "ddpo.try": str(ti.try_number),
        "ddpo.store": os.environ.get("DDPO_STORE", ""),
    }


def container_name(step: StepName, labels: dict[str, str]) -> str:
    """Name of a task's container, the same in each attempt; two stores may share an engine."""
    identity = "\n".join(f"{name}={labels[name]}" for name in sorted(labels) if name != "ddpo.try")
    return f"ddpo-{step}-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


def _mount(volume: Volume) -> Mount:
    kind = "bind" if volume.source.startswith("/") else "volume"
    return Mount(target=volume.target, source=volume.source, type=kind, read_only=volume.read_only)


def _gpus(resources: Resources) -> list[DeviceRequest] | None:
    return [DeviceRequest(count=resources.gpus, capabilities=[["gpu"]])] if resources.gpus else None
