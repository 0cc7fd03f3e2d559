"""The operator that production uses, on an API that starts real containers: create, wait, log, exit code, delete."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from components.core.contracts import StepName
from tests.system.step_images import step_images

pytestmark = [pytest.mark.system, pytest.mark.slow]

FAILS = "2026-01-01T00:00:00Z ERROR   components.core.runner: prompts: MissingInput: no rows (a hint)"


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return step_images()


@pytest.fixture
def cluster(images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A deployment with kubernetes' profile on an empty cluster."""
    from tests.system.cluster import Cluster

    cluster = Cluster(tmp_path, secrets={"ddpo-s3-prompts": {"A_SECRET_KEY": "hunter2hunter2"}})
    named = "\n".join(f'{kind} = "{name}"' for kind, name in images.items())
    file = tmp_path / "environment.toml"
    file.write_text(
        f'profile = "kubernetes"\nstore = "s3://b/store"\n[images]\n{named}\nunpinned = true\n'
        '[kubernetes]\nconnection = "fake_cluster"\nsecrets = ["ddpo-s3-{step}"]\n'
        "schedule_seconds = 5\nstartup_seconds = 5\n"
        '[resources.prompts]\nmemory = "64Mi"\nminutes = 1\n'
    )
    monkeypatch.setenv("DDPO_ENVIRONMENT", str(file))
    monkeypatch.setenv("AIRFLOW_CONN_FAKE_CLUSTER", cluster.connection)
    monkeypatch.setattr("dags.pipeline.kubernetes_profile.POLL_SECONDS", 0.2)
    yield cluster
    cluster.close()


class Task:
    """One task instance with its attempts; XComs and the state store outlive an attempt."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.pushed: dict[str, Any] = {}
        self.attempts = 0

    def context(self, attempt: int) -> Any:
        ti = SimpleNamespace(
            dag_id="ddpo_iteration",
            run_id="cats-it-0000",
            task_id="prompts",
            map_index=-1,
            try_number=attempt,
            start_date=datetime.now(UTC),
            xcom_push=lambda key, value: self.pushed.update({key: value}),
        )
        store = SimpleNamespace(get=self.kept.get, set=self.kept.__setitem__)
        return {"ti": ti, "run_id": ti.run_id, "dag": SimpleNamespace(), "task_state_store": store}

    def begin(self, program: str) -> tuple[Any, Any, Any]:
        """An attempt up to its deferral: the operator, its context, and what waits for it."""
        from airflow.sdk.exceptions import TaskDeferred

        from dags.pipeline.kubernetes_profile import KubernetesStepOperator

        self.attempts += 1
        operator = KubernetesStepOperator(task_id="prompts", step=StepName.PROMPTS, request="s3://b/r.json")
        operator.run_instead(["python", "-c", program])
        given = self.context(self.attempts)
        with pytest.raises(TaskDeferred) as deferred:
            operator.execute(given)
        return operator, given, deferred.value

    def run(self, program: str) -> None:
        """An attempt to its end: the worker leaves, the triggerer waits, another worker goes on."""
        operator, given, deferred = self.begin(program)
        operator.trigger_reentry(given, event_of(deferred.trigger))


def event_of(trigger: Any) -> dict[str, Any]:
    """What the triggerer would hand over; the trigger goes through its serialised form, as between processes."""
    kind, arguments = trigger.serialize()
    assert kind == f"{type(trigger).__module__}.{type(trigger).__name__}"

    async def first() -> Any:
        async for event in type(trigger)(**arguments).run():
            return event.payload
        raise AssertionError("the trigger ended without an event")

    payload = asyncio.run(asyncio.wait_for(first(), 90))
    return dict(json.loads(json.dumps(payload, default=str)))


def test_a_pod_is_made_waited_for_and_deleted(cluster: Any) -> None:
    task = Task()
    task.run("import os; assert os.environ['A_SECRET_KEY'] and os.getuid() == 10001; open('/tmp/x', 'w').write('x')")
    (made,) = cluster.created
    assert cluster.deleted == [made["metadata"]["name"]]
    assert cluster.pods == {}
    assert set(task.pushed) == {"pod_name", "pod_namespace"}  # where it is, and no result
    labels = made["metadata"]["labels"]
    assert (labels["dag_id"], labels["run_id"], labels["task_id"]) == ("ddpo_iteration", "cats-it-0000", "prompts")
    assert labels["app.kubernetes.io/component"] == "prompts"  # the network policies know it by that


def test_an_exit_code_that_cannot_get_better_fails_at_once(cluster: Any) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    with pytest.raises(AirflowFailException, match=r"^prompts: exit 66: MissingInput: no rows \(a hint\)$"):
        Task().run(f"import sys; print({FAILS!r}, file=sys.stderr); sys.exit(66)")
    assert cluster.pods == {}


def test_any_other_exit_code_is_tried_again(cluster: Any) -> None:
    with retried(r"^prompts: exit 1: ZeroDivisionError: division by zero$"):
        Task().run("1 / 0")
    with retried(r"^prompts: killed by SIGKILL: "):
        Task().run("import os; os._exit(137)")


def test_out_of_memory_is_the_pods_reason(cluster: Any) -> None:
    with retried(r"^prompts: OOMKilled: it grows$"):
        Task().run("print('it grows', flush=True); x = [bytearray(2**20) for _ in range(200)]")


def test_a_pod_over_its_deadline_says_so(cluster: Any) -> None:
    cluster.on_create = lambda pod: pod.manifest["spec"].update(activeDeadlineSeconds=1)
    with retried(r"^prompts: DeadlineExceeded: Pod was active on the node longer than the deadline$"):
        Task().run("import time; time.sleep(60)")
    assert cluster.pods == {}


def test_an_image_that_is_not_there_is_named(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from dags.pipeline.environment import Environment

    monkeypatch.setattr(Environment, "image", lambda self, step: "ddpo-nowhere:1")
    with retried(r"^prompts: ErrImageNeverPull: no image ddpo-nowhere:1$"):
        Task().run("pass")
    assert cluster.pods == {}


def test_a_worker_that_dies_finds_its_pod_again(cluster: Any) -> None:
    """The first attempt's process is gone before the trigger is: the second waits for the same pod."""
    task = Task()
    task.begin("import time; time.sleep(3)")
    task.run("raise SystemExit('this one is never started')")
    assert len(cluster.created) == 1
    assert cluster.pods == {}


def test_a_pod_that_somebody_deleted_is_tried_again(cluster: Any) -> None:
    task = Task()
    operator, given, deferred = task.begin("import time; time.sleep(60)")
    cluster.delete(next(iter(cluster.pods)))
    with retried(r"^prompts: .*not found"):
        operator.trigger_reentry(given, event_of(deferred.trigger))


def test_airflow_can_end_it(cluster: Any) -> None:
    operator, _, _ = Task().begin("import time; time.sleep(60)")
    operator.on_kill()
    assert cluster.pods == {}


def test_what_the_cluster_refuses_is_one_line(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dags.pipeline.kubernetes_profile.USER", "root")
    with retried(r"^prompts: the cluster: Pod is invalid: 'root' is not of type"):
        Task().run("pass")
    assert cluster.created == []


def retried(match: str) -> Any:
    """Raises an error of this line that Airflow answers with a retry."""
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    return pytest.raises(AirflowException, match=match, check=lambda error: not isinstance(error, AirflowFailException))
