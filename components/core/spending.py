"""What a run has spent of what costs money: reward queries over its warm starts, hours of a GPU."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from components.core import store
from components.core.config import RunConfig
from components.core.contracts import StartRequest, TrainingRequest
from components.core.errors import BadRequest
from components.core.layout import RunLayout

READERS = 8
"""Manifests read at once: an object store answers in tens of milliseconds."""


def run_of_training(training: str) -> tuple[RunLayout, int]:
    """The run and the iteration that a training's prefix belongs to.

    >>> run, k = run_of_training("s3://b/runs/cats/iterations/0007/training")
    >>> run.uri, k
    ('s3://b/runs/cats', 7)
    """
    uri, found, rest = training.rstrip("/").rpartition("/iterations/")
    number, _, leaf = rest.partition("/")
    if not found or leaf != "training" or not number.isdigit():
        raise BadRequest(f"{training} is not the training of an iteration", hint="it ends in iterations/<k>/training")
    return RunLayout(uri), int(number)


def queries_of_policy(training: str | None) -> int:
    """Reward queries that a policy has cost, over every warm start before it; 0 for the base.

    Raises MissingInput if a run of the chain, or the training itself, is not in its store any more.
    """
    if training is None:
        return 0
    run, k = run_of_training(training)
    store.open_committed(training).asked(TrainingRequest)
    start = store.open_committed(run.uri).asked(StartRequest)
    return start.start_queries + (k + 1) * start.config.samples_per_iteration


def gpu_seconds(run: RunLayout, config: RunConfig, trained: int) -> float:
    """Seconds of the sampling and training of `trained` iterations, a shard that is not there counts 0.

    A training in several processes holds as many GPUs as long as it runs.
    """
    prefixes: list[tuple[str, int]] = [
        (prefix, gpus)
        for k in range(trained)
        for prefix, gpus in (
            (run.training(k), config.training.processes),
            *((run.sampling(k, s), 1) for s in range(config.prompts.shards)),
        )
    ]
    with ThreadPoolExecutor(READERS) as readers:
        found = readers.map(store.find, (prefix for prefix, _ in prefixes))
        return sum(
            gpus * committed.manifest.cost.seconds
            for committed, (_, gpus) in zip(found, prefixes, strict=True)
            if committed is not None
        )
