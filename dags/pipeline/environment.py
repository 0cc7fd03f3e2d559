"""One typed file per deployment: where steps run, in which images, with how much of what.

DDPO_ENVIRONMENT names the file (infra/environments holds examples); without it steps are processes of this machine.
It is read when the DAGs are parsed, and a mistake in it is one line that names the key. Nothing in it can change a
result, and nothing in it is secret: secrets are named, and come from the environment of the engine or from Kubernetes.
"""

from __future__ import annotations

import os
import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from components.core.config import Contract, describe
from components.core.contracts import StepName
from components.core.errors import BadRequest

VARIABLE = "DDPO_ENVIRONMENT"

ImageSet = Literal["cpu", "diffusion", "scoring"]
IMAGE_OF: dict[StepName, ImageSet] = {
    StepName.PROMPTS: "cpu",
    StepName.SAMPLING: "diffusion",
    StepName.SCORING: "scoring",
    StepName.TRAINING: "diffusion",
    StepName.EVALUATION: "cpu",
    StepName.REGISTRATION: "cpu",
}
"""Which dependency set each step needs. Registration writes MLflow's model file itself: it needs no torch."""


class Images(Contract):
    """The step images, by digest: what a tag names may change between two iterations of one run."""

    cpu: str
    diffusion: str
    scoring: str
    unpinned: bool = False
    """True allows images without `@sha256:`, for a machine of one's own."""

    @model_validator(mode="after")
    def _by_digest(self) -> Images:
        if not self.unpinned and (
            loose := [i for i in (self.cpu, self.diffusion, self.scoring) if "@sha256:" not in i]
        ):
            raise ValueError(f"{loose[0]} has no digest: write name@sha256:..., or unpinned = true on your own machine")
        return self


class Resources(Contract):
    """What one step may take."""

    cpus: float = Field(default=1.0, gt=0)
    """Cores."""
    memory: str = Field(default="2Gi", pattern=r"^[1-9][0-9]*(Mi|Gi)$")
    """Memory limit; beyond it the step is killed (exit code 137) and tried again."""
    gpus: int = Field(default=0, ge=0)
    """GPUs. With more than one, training runs a process on each."""
    minutes: int = Field(default=240, ge=1)
    """Time limit of one attempt; a step that hangs is killed and tried again."""
    node_selector: dict[str, str] = {}
    """Kubernetes: labels that a node must have."""
    tolerations: tuple[str, ...] = ()
    """Kubernetes: keys of taints that the step tolerates, such as nvidia.com/gpu."""


class Volume(Contract):
    """A directory that every step sees: model weights, or a file:// store."""

    source: str
    """Docker: a volume's name or an absolute path on the host. Kubernetes: a PersistentVolumeClaim."""
    target: str = Field(pattern=r"^/")
    """Path in the container."""
    read_only: bool = True


class Docker(Contract):
    """Steps as containers of a Docker Engine."""

    url: str = "unix:///var/run/docker.sock"
    """The engine."""
    network: str = "bridge"
    """Network in which the steps reach the store and MLflow."""
    secrets: tuple[str, ...] = ()
    """Names of variables of the scheduler's environment that steps need, such as AWS_SECRET_ACCESS_KEY. Their values
    are handed over privately: they stand in no log and no page."""


class Kubernetes(Contract):
    """Steps as pods."""

    namespace: str = "ddpo"
    service_account_prefix: str = "ddpo-"
    """A step runs as `<prefix><step>`: the chart makes the accounts, the cloud gives each its part of the bucket."""
    secret: str | None = "ddpo-steps"
    """Secret whose keys become the steps' environment; None where accounts carry all rights."""
    startup_seconds: int = Field(default=900, ge=1)
    """Time in which a pod must be running, pulling its image included."""
    schedule_seconds: int = Field(default=3600, ge=1)
    """Time in which a node must be found: GPU nodes may have to be bought first."""
    image_pull_secrets: tuple[str, ...] = ()
    priority_class: str | None = None
    in_cluster: bool = True
    """False uses the kubeconfig of the Airflow connection `kubernetes_default`."""


class Pools(Contract):
    """Slots of Airflow's pools."""

    gpu: int = Field(default=1, ge=1)
    """Sampling and training at once: one slot a GPU."""
    scoring: int = Field(default=2, ge=1)
    """Scorers at once."""


class Environment(Contract):
    """One deployment."""

    profile: Literal["local", "docker", "kubernetes"] = "local"
    images: Images | None = None
    """Needed by every profile but `local`."""
    variables: dict[str, str] = {}
    """Environment of every step: DDPO_STORE, MLFLOW_TRACKING_URI, AWS_ENDPOINT_URL, AWS_DEFAULT_REGION. No secrets."""
    resources: dict[StepName, Resources] = {}
    """Step -> what it may take; a step that is not named takes the defaults."""
    volumes: tuple[Volume, ...] = ()
    pools: Pools = Pools()
    docker: Docker = Docker()
    kubernetes: Kubernetes = Kubernetes()

    @field_validator("variables")
    @classmethod
    def _no_secrets(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if any(word in name.upper() for word in ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY")) or "@" in value:
                raise ValueError(f"{name} looks like a secret: name it in docker.secrets, or in the Kubernetes secret")
        return variables

    @model_validator(mode="after")
    def _containers_have_images(self) -> Environment:
        if self.profile != "local" and self.images is None:
            raise ValueError(f"profile {self.profile} needs [images]: cpu, diffusion and scoring, each by digest")
        return self

    def image(self, step: StepName) -> str:
        """The image that a step runs in."""
        assert self.images is not None, "the local profile has no images"
        return str(getattr(self.images, IMAGE_OF[step]))

    def resources_of(self, step: StepName) -> Resources:
        """What a step may take."""
        return self.resources.get(step, Resources())


def current() -> Environment:
    """The deployment that DDPO_ENVIRONMENT names; processes of this machine where it names none."""
    path = os.environ.get(VARIABLE)
    return load(Path(path)) if path else Environment()


@cache
def load(path: Path) -> Environment:
    """Read one file. Raises BadRequest naming the wrong key, or the file that is not there."""
    try:
        return Environment.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadRequest(f"{VARIABLE} = {path}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        raise BadRequest(f"{path.name}: {describe(error)}") from None
