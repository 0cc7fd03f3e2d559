"""What each image has to hold and must not hold; run inside an image, it imports the one and looks for the other.

    python contents.py IMAGE TORCH      as the image's own user, on its own interpreter

A build ends with it, so an image that lacks a module is never tagged. `images/README.md` shows the same table.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import shutil
import sys
from dataclasses import dataclass

UID = 10001
"""The fixed user: what a volume has to let in, and what a pod's runAsUser may repeat."""

BUILD_TOOLS = ("pip", "pip3", "uv", "gcc", "cc", "g++", "c++", "clang", "make", "ld")
SERVICES = ("airflow",)
MODELS = ("torch", "diffusers", "transformers", "peft", "accelerate", "bert_score")


@dataclass(frozen=True)
class Contents:
    """One image."""

    packages: tuple[str, ...]
    """Ours: every module below them is imported, less `elsewhere`."""
    modules: tuple[str, ...]
    """Others' that ours import late, when they are called."""
    absent: tuple[str, ...]
    """Modules that must not be there to import."""
    steps: tuple[str, ...] = ()
    """Steps that run in it."""
    elsewhere: tuple[str, ...] = ()
    """Modules below `packages` that no step imports, and that need what this image does without."""


IMAGES = {
    "cpu": Contents(
        steps=("prompts", "evaluation", "registration"),
        packages=("components.core", "components.prompts", "components.evaluation", "components.registration"),
        modules=("boto3", "jinja2", "matplotlib.figure", "mlflow.models", "mlflow.pyfunc", "PIL.Image"),
        absent=SERVICES + MODELS,
        elsewhere=("components.registration.merging",),  # `export --merged`, where torch is
    ),
    "diffusion": Contents(
        steps=("sampling", "training"),
        packages=("components.core", "components.policy", "components.sampling", "components.training"),
        modules=("accelerate", "boto3", "diffusers", "peft", "safetensors.torch", "torch", "transformers"),
        absent=(*SERVICES, "mlflow", "bert_score"),
    ),
    "scoring": Contents(
        steps=("scoring",),
        packages=("components.core", "components.scoring"),
        modules=(
            "bert_score",
            "boto3",
            "cv2",
            "diffusers",
            "fastapi",
            "httpx2",
            "PIL.Image",
            "safetensors.torch",
            "torch",
            "transformers",
            "uvicorn",
        ),
        absent=(*SERVICES, "mlflow", "peft", "accelerate"),
    ),
    "airflow": Contents(
        packages=("components.core", "dags"),
        modules=(
            "airflow.providers.amazon.aws.log.s3_task_handler",
            "airflow.providers.cncf.kubernetes.operators.pod",
            "airflow.providers.docker.operators.docker",
            "airflow.providers.postgres.hooks.postgres",
            "airflow.providers.standard.operators.trigger_dagrun",
            "asyncpg",
            "mlflow",
            "psycopg2",
        ),
        absent=(*MODELS, "components.sampling", "components.scoring", "components.training"),
    ),
    "mlflow": Contents(
        packages=(),
        modules=("boto3", "mlflow.server", "mlflow.server.auth", "mlflow.store.tracking.sqlalchemy_store", "psycopg2"),
        absent=(*SERVICES, *MODELS, "components", "dags"),
    ),
}


def modules_below(package: str) -> list[str]:
    """A package and every module in it, except those that are commands."""
    module = importlib.import_module(package)
    below = [found.name for found in pkgutil.walk_packages(module.__path__, f"{package}.")]
    return [package, *(name for name in below if not name.endswith("__main__"))]


def is_there(module: str) -> bool:
    """Whether a module can be imported."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def faults(image: str, torch_build: str) -> list[str]:
    """Everything that is wrong with this image; an import that fails is raised as it is."""
    contents = IMAGES[image]
    found = [f"{tool} is on the path" for tool in BUILD_TOOLS if shutil.which(tool)]
    found += [f"{module} is installed" for module in (*contents.absent, "pip") if is_there(module)]
    if os.getuid() != UID:
        found.append(f"the user is {os.getuid()}, not {UID}")
    if os.access(sys.prefix, os.W_OK):
        found.append(f"{sys.prefix} is writable")
    ours = [name for package in contents.packages for name in modules_below(package)]
    for name in (*ours, *contents.modules):
        if name not in contents.elsewhere:
            importlib.import_module(name)
    if "torch" in contents.modules:
        cuda = importlib.import_module("torch").version.cuda
        if (torch_build == "cpu") != (cuda is None):
            found.append(f"torch is built for CUDA {cuda}, and {torch_build} was asked for")
    return found


def main(image: str, torch_build: str) -> None:
    """Say what was imported, or what is wrong."""
    found = faults(image, torch_build)
    if found:
        sys.exit(f"{image}: {'; '.join(found)}")
    print(f"{image}: {len(sys.modules)} modules imported, nothing is there that should not be")


if __name__ == "__main__":
    main(*sys.argv[1:])
