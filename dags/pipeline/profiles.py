"""Where steps run: DDPO_PROFILE names a profile, and a profile is one operator class."""

from __future__ import annotations

import os
from collections.abc import Callable

from airflow.sdk import BaseOperator

from components.core.errors import BadRequest
from dags.pipeline.local import LocalStepOperator

PROFILE_VARIABLE = "DDPO_PROFILE"

OPERATORS: dict[str, Callable[..., BaseOperator]] = {
    "local": LocalStepOperator,
}
"""Profile -> operator. Each takes `step`, `request` and what every operator takes."""


def operator_class() -> Callable[..., BaseOperator]:
    """The operator of the profile that the environment names."""
    name = os.environ.get(PROFILE_VARIABLE) or "local"
    if name not in OPERATORS:
        raise BadRequest(f"{PROFILE_VARIABLE} = {name!r}: must be one of {', '.join(OPERATORS)}")
    return OPERATORS[name]
