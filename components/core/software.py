"""Versions of what made a commit, for its manifest."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import sys
from pathlib import Path

IMAGE_VARIABLE = "DDPO_IMAGE"
"""By it a profile tells a step the image that it starts it in, by digest."""

RECORDED = {
    "torch": "torch",
    "diffusers": "diffusers",
    "transformers": "transformers",
    "peft": "peft",
    "PIL": "pillow",
    "mlflow": "mlflow",
}
"""Module -> distribution. Only those that were imported can have had a hand in it."""


def versions() -> dict[str, str]:
    """Python's version, this project's commit and image, and each recorded library that is imported."""
    found = {"python": platform.python_version()}
    if commit := project_commit():
        found["ddpo"] = commit
    if image := os.environ.get(IMAGE_VARIABLE):
        found["image"] = image
    for module, distribution in RECORDED.items():
        if module in sys.modules:
            found[distribution] = _version(distribution) or _version(f"{distribution}-skinny") or "unknown"
    return found


def _version(distribution: str) -> str:
    """Of an installed distribution; empty where it is not. MLflow's client alone is `mlflow-skinny`."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def project_commit() -> str:
    """This project's commit: DDPO_COMMIT (an image sets it), else the checkout's HEAD, else empty."""
    if commit := os.environ.get("DDPO_COMMIT"):
        return commit
    git = Path(__file__).parents[2] / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        loose = git / name
        if loose.exists():
            return loose.read_text(encoding="utf-8").strip()
        packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""


def project_version() -> str:
    """Release of this project, as it is installed; empty where it is not."""
    return _version("ddpo-pipeline")
