"""One typed file per deployment: where steps run, in which images, with how much of what.

DDPO_ENVIRONMENT names the file (infra/environments holds examples); without it steps are processes of this machine.
It is read when the DAGs are parsed, and a mistake in it is one line that names the key. Nothing in it can change a
result, and nothing in it is secret: secrets are named, and come from the scheduler's environment or from Kubernetes.
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
from components.core.deployment import STORE_VARIABLE, TRACKING_VARIABLE
from components.core.errors import BadRequest
from components.core.software import IMAGE_VARIABLE

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

TRACKING_STEP = StepName.REGISTRATION
"""The one step that speaks to MLflow: variables and secrets named MLFLOW_* go to no other."""
ALONE = {"MLFLOW_": TRACKING_STEP, "DDPO_REWARD_": StepName.SCORING, "DDPO_CAPTIONER_": StepName.SCORING}
"""Beginning of a name -> the one step that it is for. Where a reward server or a captioner is, scoring alone knows."""
QUANTITY = r"^[1-9][0-9]*(Mi|Gi)$"
"""Sizes, as Kubernetes writes them."""


class Images(Contract):
    """The step images, by digest: what a tag names may change between two iterations of one run."""

    cpu: str = Field(min_length=1)
    diffusion: str = Field(min_length=1)
    scoring: str = Field(min_length=1)
    rewards: dict[str, str] = {}
    """Reward -> image that a scoring step runs in where the reward is asked for: the scoring image, and what the reward
    needs beside it. Under the name that a config gives it, without a label."""
    unpinned: bool = False
    """True allows images without `@sha256:`, for a machine of one's own."""

    @model_validator(mode="after")
    def _by_digest(self) -> Images:
        images = (self.cpu, self.diffusion, self.scoring, *self.rewards.values())
        loose = [image for image in images if "@sha256:" not in image]
        if loose and not self.unpinned:
            raise ValueError(f"{loose[0]} has no digest: write name@sha256:..., or unpinned = true on your own machine")
        return self


class Resources(Contract):
    """What one step may take."""

    cpus: float = Field(default=1.0, gt=0)
    """Cores. Docker: a hard limit. Kubernetes: what is asked for; idle cores of the node may be borrowed."""
    memory: str = Field(default="2Gi", pattern=QUANTITY)
    """Memory limit; beyond it the step is killed (exit code 137) and tried again."""
    gpus: int = Field(default=0, ge=0)
    """GPUs. Only training uses several: as many as the largest `training.processes` of a run."""
    minutes: int = Field(default=240, ge=1)
    """Time limit of one attempt; a step that hangs is killed and tried again."""
    scratch: str = Field(default="10Gi", pattern=QUANTITY)
    """Kubernetes: disk for /tmp, beyond which the pod is evicted. Docker keeps /tmp in the step's memory."""
    node_selector: dict[str, str] = {}
    """Kubernetes: labels that a node must have."""
    tolerations: tuple[str, ...] = ()
    """Kubernetes: keys of taints that the step tolerates, such as nvidia.com/gpu."""

    @property
    def memory_bytes(self) -> int:
        """The memory limit as a number.

        >>> Resources(memory="512Mi").memory_bytes == 512 * 1024**2
        True
        """
        return int(self.memory[:-2]) * {"Mi": 2**20, "Gi": 2**30}[self.memory[-2:]]


class Volume(Contract):
    """A directory that every step sees: model weights, or a file:// store."""

    source: str = Field(min_length=1)
    """Docker: a volume's name or an absolute path on the host. Kubernetes: a PersistentVolumeClaim."""
    target: str = Field(pattern=r"^/.")
    """Path in the container."""
    read_only: bool = True


class Docker(Contract):
    """Steps as containers of a Docker Engine."""

    url: str | None = None
    """The engine. None: what DOCKER_HOST says, or this machine's socket."""
    network: str = "bridge"
    """Network in which the steps reach the store and MLflow."""
    secrets: tuple[str, ...] = ()
    """Names of variables of the scheduler's environment that steps need, such as AWS_SECRET_ACCESS_KEY. Their values
    are handed over privately: they stand in no log and no page."""
    registry: str | None = None
    """Airflow connection with the login of the images' registry; None where none is needed."""


class Kubernetes(Contract):
    """Steps as pods."""

    namespace: str = "ddpo"
    connection: str | None = None
    """Airflow connection of the cluster. None: the scheduler's own service account, else KUBECONFIG."""
    pod_templates: str | None = None
    """Directory with a pod template `<step>.yaml` for each step, such as the chart makes. The templates then say what
    [images], [resources], [[volumes]] and the keys below say otherwise."""
    service_account_prefix: str = "ddpo-"
    """A step runs as `<prefix><step>`: the chart makes the accounts, the cloud gives each its part of the bucket."""
    secrets: tuple[str, ...] = ()
    """Secrets whose keys become a step's environment; `{step}` in a name stands for the step. None where service
    accounts carry all rights."""
    tracking_secret: str | None = None
    """Secret with MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD: only registration gets it."""
    startup_seconds: int = Field(default=900, ge=1)
    """Time in which a pod that has a node must be running, pulling its image included."""
    schedule_seconds: int = Field(default=3600, ge=1)
    """Time in which a node must be found: GPU nodes may have to be bought first."""
    image_pull_secrets: tuple[str, ...] = ()
    """Secrets with the login of the images' registry."""
    priority_class: str | None = None
    """Priority class of the pods; None takes the cluster's default."""


class Pools(Contract):
    """Slots of Airflow's pools."""

    gpu: int = Field(default=1, ge=1)
    """Sampling and training at once: one slot a GPU. A training takes as many slots as GPUs."""
    scoring: int = Field(default=2, ge=1)
    """Scorers at once."""


class Environment(Contract):
    """One deployment."""

    profile: Literal["local", "docker", "kubernetes"] = "local"
    store: str | None = Field(default=None, pattern=r"^(s3|file)://.")
    """The store; DDPO_STORE of Airflow's processes wins. Where neither is given: a directory of this machine."""
    tracking_uri: str | None = Field(default=None, pattern=r"^[a-z0-9+]+://.")
    """MLflow; MLFLOW_TRACKING_URI of Airflow's processes wins."""
    images: Images | None = None
    """Needed by every profile but `local`."""
    variables: dict[str, str] = {}
    """Environment of every step, and default of Airflow's own processes: AWS_ENDPOINT_URL, AWS_DEFAULT_REGION. No
    secrets. Names beginning with MLFLOW_ go to registration only, DDPO_REWARD_ and DDPO_CAPTIONER_ to scoring."""
    resources: dict[StepName, Resources] = {}
    """Step -> what it may take; a step that is not named takes the defaults."""
    volumes: tuple[Volume, ...] = ()
    """The same for every step."""
    pools: Pools = Pools()
    docker: Docker = Docker()
    kubernetes: Kubernetes = Kubernetes()

    @field_validator("variables")
    @classmethod
    def _no_secrets(cls, variables: dict[str, str]) -> dict[str, str]:
        for name, value in variables.items():
            if any(word in name.upper() for word in ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY")) or "@" in value:
                raise ValueError(f"{name} looks like a secret: name it in docker.secrets, or in a Secret of Kubernetes")
        return variables

    @field_validator("store", "tracking_uri")
    @classmethod
    def _no_password(cls, uri: str | None) -> str | None:
        if uri is not None and "@" in uri:
            raise ValueError("holds a user or a password: give it in the scheduler's environment")
        return uri

    @model_validator(mode="after")
    def _steps_fit_into_their_pool(self) -> Environment:
        for step, resources in self.resources.items():
            if resources.gpus > self.pools.gpu:
                raise ValueError(
                    f"resources.{step}.gpus = {resources.gpus} exceeds pools.gpu = {self.pools.gpu}: it takes a slot a "
                    "GPU, and would wait for ever"
                )
            if resources.gpus > 1 and step != StepName.TRAINING:
                raise ValueError(f"resources.{step}.gpus = {resources.gpus}: only training uses several; write 1")
        return self

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

    def require_gpus_for(self, processes: int) -> None:
        """Raise BadRequest where a training of so many processes would find fewer GPUs in its container."""
        gpus = self.resources_of(StepName.TRAINING).gpus
        if 0 < gpus < processes:
            raise BadRequest(
                f"training.processes = {processes}, and this deployment gives training {gpus} GPU{'s' * (gpus > 1)}",
                hint=f"a process needs a GPU of its own: fork with fewer, or set resources.training.gpus = {processes}",
            )

    def variables_of(self, step: StepName, *, image: str | None = None) -> dict[str, str]:
        """Environment of a step, without its secrets: the same in every profile, but for the image it runs in."""
        told = {} if self.profile == "local" else {IMAGE_VARIABLE: image or self.image(step)}
        return {name: value for name, value in self._all_variables().items() if belongs(name, step)} | told

    def apply(self) -> None:
        """Give this process what the file says of places, where its own environment does not."""
        for name, value in self._all_variables().items():
            os.environ.setdefault(name, value)

    def _all_variables(self) -> dict[str, str]:
        places = {STORE_VARIABLE: self.store, TRACKING_VARIABLE: self.tracking_uri}
        return {name: value for name, value in places.items() if value} | self.variables


def belongs(name: str, step: StepName) -> bool:
    """Whether a variable or a secret of this name is for a step.

    >>> belongs("MLFLOW_TRACKING_URI", StepName.SAMPLING), belongs("AWS_ENDPOINT_URL", StepName.SAMPLING)
    (False, True)
    >>> belongs("DDPO_REWARD_TOKEN", StepName.SCORING), belongs("DDPO_REWARD_TOKEN", StepName.REGISTRATION)
    (True, False)
    """
    return all(step == only for beginning, only in ALONE.items() if name.startswith(beginning))


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
