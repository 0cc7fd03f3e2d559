"""The six steps as the scheduler sees them: what each waits for, how often it is tried, and what it needs.

Task ids, pools and retries stand here, outside every profile, so that a profile can change where a step runs and
nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator

from components.core.contracts import StepName
from dags.pipeline import environment
from dags.pipeline.profiles import operator_class

GPU_POOL = "gpu"
SCORING_POOL = "scoring"
DEPLOYMENT = environment.current()
DEPLOYMENT.apply()  # whoever parses the DAGs also finds the store and MLflow where the deployment's file says
POOLS = {
    GPU_POOL: (DEPLOYMENT.pools.gpu, "Sampling and training: one slot a GPU"),
    SCORING_POOL: (DEPLOYMENT.pools.scoring, "Scorers: processes that may score at once"),
}
"""Name -> slots, description. `make up` makes them: a task in a missing pool never runs."""

RETRY_DELAY = timedelta(seconds=float(os.environ.get("DDPO_RETRY_SECONDS", "10")))
"""Wait before the first retry; it doubles each time."""
MAX_RETRY_DELAY = timedelta(minutes=10)


@dataclass(frozen=True)
class StepSpec:
    """One step."""

    step: StepName
    pool: str = "default_pool"
    retries: int = 3
    needs_gpu: bool = False
    """True where a real model wants one; the embedded policy runs without."""


STEPS: dict[StepName, StepSpec] = {
    spec.step: spec
    for spec in (
        StepSpec(StepName.PROMPTS),
        StepSpec(StepName.SAMPLING, pool=GPU_POOL, needs_gpu=True),
        StepSpec(StepName.SCORING, pool=SCORING_POOL),
        StepSpec(StepName.TRAINING, pool=GPU_POOL, needs_gpu=True),
        StepSpec(StepName.EVALUATION),
        StepSpec(StepName.REGISTRATION),
    )
}


def argv(step: StepName, request: str) -> list[str]:
    """A step's command, the same in every profile."""
    return ["python", "-m", f"components.{step}", "--request", request]


def step_task(step: StepName, request: Any, *, task_id: str | None = None) -> BaseOperator:
    """The task that runs a step; `request` is the URI of a committed request, or the XCom that holds it."""
    spec = STEPS[step]
    return operator_class()(
        task_id=task_id or str(step),
        step=step,
        request=request,
        pool=spec.pool,
        pool_slots=max(1, DEPLOYMENT.resources_of(step).gpus) if spec.pool == GPU_POOL else 1,
        retries=spec.retries,
        retry_delay=RETRY_DELAY,
        retry_exponential_backoff=2,
        max_retry_delay=MAX_RETRY_DELAY,
    )
