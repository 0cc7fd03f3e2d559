"""Two iterations in containers on real servers: what a laptop's one process commits, whatever breaks on the way."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from components.core.base_model import TINY
from components.core.layout import RunLayout
from dags.pipeline.dag_names import store_tag
from tests.infra.postgres import running
from tests.system import ceph as ceph_gateway
from tests.system.step_images import not_run, step_images
from tests.system.whole_stack import Stack, answers, committed, digests, run_locally, until

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.airflow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not (TINY / "model_index.json").is_file(), reason="the embedded policy's weights are not here"),
]

AWAY = 30.0
"""Seconds that a server is gone."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    images = step_images()
    if absent := ceph_gateway.missing():
        not_run(f"no Ceph: {', '.join(absent)} not installed")
    if not all(shutil.which(tool) for tool in ("initdb", "pg_ctl", "psql")):
        not_run("PostgreSQL's initdb, pg_ctl and psql are not installed")
    with ceph_gateway.serving() as ceph, running() as postgres, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in ceph.environment.items():
            patch.setenv(name, value)
        stack = Stack(tmp_path_factory.mktemp("stack"), ceph, postgres, images)
        try:
            stack.up()
            yield stack
        finally:
            stack.down()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the run that every other is held against."""
    return digests(run_locally(tmp_path_factory.mktemp("local")))


def test_containers_on_real_servers_commit_what_one_process_on_a_laptop_commits(
    stack: Stack, local: dict[str, str]
) -> None:
    run = stack.begin("undisturbed")
    stack.wait("undisturbed")
    assert digests(run) == local
    for k in range(2):
        assert local.keys() >= {f"iterations/{k:04d}/shards/{s:02d}/{step}" for s in range(2) for step in STEPS}
        assert f"iterations/{k:04d}/training" in local
    assert "registrations/0002" in local
    assert shown(stack, run) == ["campaign", "iteration", "iteration"]


def test_a_run_on_which_everything_breaks_once_commits_the_same(stack: Stack, local: dict[str, str]) -> None:
    """One campaign meets all of it, for a campaign in containers costs minutes; each must leave its trace."""
    stack.stop("mlflow")
    try:
        run = stack.begin("disturbed")
        the_store_is_away(stack, run)
        killed = a_container_is_killed(run)
        until(committed(run.plan(1)), "iteration 1", 900)  # MLflow was away for the whole of the one before
    finally:
        stack.start("mlflow")
    until(lambda: answers(f"{stack.mlflow}/health"), "MLflow", 120)
    the_database_is_away(stack, run)
    stack.wait("disturbed")
    assert digests(run) == local
    first = stack.tasks(f"{campaign_of(run)}-it-0000")
    assert max(task["try_number"] for task in first if task["task_id"] == "shards.sampling") > 1
    assert [task["try_number"] for task in first if task["task_id"] == "training"] == [2], killed
    assert [task["state"] for task in first if task["task_id"] == "track"] == ["skipped"]
    assert shown(stack, run) == ["campaign", "iteration", "iteration"]


def the_store_is_away(stack: Stack, run: RunLayout) -> None:
    """The gateway dies while iteration 0 samples; a step that meets it says 75 and is tried again."""
    until(lambda: containers(run, "sampling") != [], "a sampling", 900)
    stack.ceph.stop_gateway()
    try:
        time.sleep(AWAY)
    finally:
        stack.ceph.start_gateway()


def a_container_is_killed(run: RunLayout) -> str:
    """SIGKILL to the training of iteration 0, once it has begun. Returns the container's name."""
    until(lambda: containers(run, "training") != [], "a training", 900)
    time.sleep(2)  # it imports torch
    (victim,) = containers(run, "training")
    victim.kill()
    return str(victim.name)


def the_database_is_away(stack: Stack, run: RunLayout) -> None:
    """Postgres crashes while iteration 1 samples: Airflow's services lose their database, and so does MLflow."""
    until(lambda: containers(run, "sampling", iteration=1) != [], "a sampling", 900)
    stack.postgres.stop()
    try:
        until(lambda: not stack.has_database(), "Airflow to notice", AWAY)
        time.sleep(AWAY)
    finally:
        stack.postgres.start()
    until(stack.has_database, "Airflow's services", 120)


STEPS = ("sampling", "scoring")


def campaign_of(run: RunLayout) -> str:
    """What the DAG runs of a run's iterations begin with, in an Airflow whose own store is another."""
    return f"{run.run_id}-{store_tag(run.store)}"


def containers(run: RunLayout, task: str, iteration: int = 0) -> list[Any]:
    """Running containers of a task of one iteration, of any shard."""
    import docker

    wanted = f"{campaign_of(run)}-it-{iteration:04d}"
    found = docker.from_env().containers.list(filters={"label": f"ddpo.run={wanted}"})
    return [container for container in found if container.labels["ddpo.task"].endswith(task)]


def shown(stack: Stack, run: RunLayout) -> list[str]:
    """Kinds of MLflow's runs of this campaign and of its iterations."""
    from mlflow import MlflowClient

    client = MlflowClient(stack.mlflow)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`ddpo.run_uri` = '{run.uri}'")
    kinds = sorted(one.data.tags["ddpo.kind"] for one in found)
    return [kind for kind in kinds if kind in ("campaign", "iteration")]
