"""Where steps run: the deployment's file names a profile, and a profile is one operator class."""

from __future__ import annotations

from typing import Any

from components.core.errors import BadRequest
from dags.pipeline import environment


def _local() -> Any:
    from dags.pipeline.local import LocalStepOperator

    return LocalStepOperator


def _docker() -> Any:
    from dags.pipeline.docker_profile import DockerStepOperator

    return DockerStepOperator


def _kubernetes() -> Any:
    from dags.pipeline.kubernetes_profile import KubernetesStepOperator

    return KubernetesStepOperator


OPERATORS = {"local": _local, "docker": _docker, "kubernetes": _kubernetes}
"""Profile -> its operator, imported when it is asked for: the providers are in the optional extra `containers`.

Each takes `step`, `request` and what every operator takes, and has `run_instead(command)`.
"""


def operator_class() -> Any:
    """The operator of the deployment's profile. Raises BadRequest where its provider is not installed."""
    profile = environment.current().profile
    try:
        return OPERATORS[profile]()
    except ModuleNotFoundError as error:
        raise BadRequest(
            f"profile {profile} needs {error.name}, which is not installed", hint="install the extra `containers`"
        ) from None
