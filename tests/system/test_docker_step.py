"""One container a step: what it may do, what its end means, and what becomes of one whose worker died."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.system.step_images import step_images

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return step_images()


@pytest.fixture
def environment_file(images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment with docker's profile; prompts may take half a core and 64 MiB."""
    file = tmp_path / "environment.toml"
    named = "\n".join(f'{kind} = "{name}"' for kind, name in images.items())
    file.write_text(
        f'profile = "docker"\nstore = "file://{tmp_path}"\n[images]\n{named}\nunpinned = true\n'
        '[variables]\nGREETING = "hello"\n'
        '[docker]\nnetwork = "none"\nsecrets = ["A_SECRET_KEY", "MLFLOW_TRACKING_PASSWORD"]\n'
        '[resources.prompts]\ncpus = 0.5\nmemory = "64Mi"\n'
    )
    monkeypatch.setenv("DDPO_ENVIRONMENT", str(file))
    monkeypatch.setenv("DDPO_STORE", f"file://{tmp_path}")  # it is in a container's name
    monkeypatch.setenv("A_SECRET_KEY", "hunter2hunter2")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "for-registration")
    return file


@pytest.fixture
def step(environment_file: Path) -> Iterator[Callable[..., Any]]:
    """Makes the operator with a Python program in place of a step's; the engine is left as it was found."""
    from components.core.contracts import StepName
    from dags.pipeline.docker_profile import DockerStepOperator

    made = []

    def make(program: str, name: StepName = StepName.PROMPTS) -> Any:
        operator = DockerStepOperator(task_id="prompts", step=name, request="s3://b/r.json")
        operator.run_instead(["python", "-c", program])
        made.append(operator)
        return operator

    yield make
    for operator in made:
        operator.on_kill()


def context(try_number: int = 1, run_id: str = "cats-it-0000") -> Any:
    ti = SimpleNamespace(
        dag_id="ddpo_iteration",
        run_id=f"{run_id}-{os.getpid()}",
        task_id="prompts",
        map_index=-1,
        try_number=try_number,
    )
    return {"ti": ti}


def left(operator: Any) -> list[Any]:
    found: list[Any] = operator.hook.api_client.containers(
        all=True, filters={"label": f"ddpo.run={context()['ti'].run_id}"}
    )
    return found


CONFINED = """
import os, pathlib
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
assert os.getuid() == 10001, os.getuid()
assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0, status["CapBnd"]
assert status["NoNewPrivs"].strip() == "1"
assert os.getppid() == 1, "an init reaps"
pathlib.Path("/tmp/here").write_text("x")
try:
    pathlib.Path("/opt/ddpo/there").write_text("x")
except OSError as error:
    assert error.errno == 30, error
else:
    raise SystemExit("the root file system can be written to")
def limit(*names):
    places = (pathlib.Path("/sys/fs/cgroup", name) for name in names)
    return next(place.read_text().split() for place in places if place.exists())
assert limit("memory.max", "memory/memory.limit_in_bytes") == [str(64 * 2**20)]
assert limit("cpu.max", "cpu/cpu.cfs_quota_us")[0] == "50000"
assert limit("pids.max", "pids/pids.max") == ["4096"]
assert os.environ["GREETING"] == "hello" and os.environ["A_SECRET_KEY"] == "hunter2hunter2"
assert "MLFLOW_TRACKING_PASSWORD" not in os.environ, "that is registration's"
"""


def test_a_step_is_confined_and_leaves_nothing(step: Callable[..., Any]) -> None:
    operator = step(CONFINED)
    operator.execute(context())
    assert left(operator) == []


def test_its_error_is_one_line_and_decides(step: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    line = "2026-01-01T00:00:00Z ERROR   components.core.runner: prompts: MissingInput: no rows (a hint)"
    with pytest.raises(AirflowFailException, match=r"^prompts: exit 66: MissingInput: no rows \(a hint\)$"):
        step(f"import sys; print({line!r}); sys.exit(66)").execute(context())
    with pytest.raises(AirflowException, match=r"^prompts: exit 1: ZeroDivisionError: division by zero$") as caught:
        step("1 / 0").execute(context())
    assert not isinstance(caught.value, AirflowFailException)


def test_out_of_memory_says_so_and_is_tried_again(step: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    operator = step("print('it grows', flush=True); x = [bytearray(2**20) for _ in range(200)]")
    with pytest.raises(AirflowException, match=r"^prompts: out of memory: killed at 64Mi .*: it grows$") as caught:
        operator.execute(context())
    assert not isinstance(caught.value, AirflowFailException)
    assert left(operator) == []


def test_a_secret_that_is_not_there_is_named_and_none_is_shown(
    step: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    operator = step("pass")
    assert "hunter2" not in str({name: getattr(operator, name) for name in operator.template_fields})
    monkeypatch.delenv("A_SECRET_KEY")
    with pytest.raises(AirflowFailException, match=r"docker.secrets names A_SECRET_KEY, which the scheduler"):
        operator.execute(context())


def test_a_retry_ends_what_the_attempt_before_left_running(step: Callable[..., Any], environment_file: Path) -> None:
    """Its worker is killed; the container goes on. The next attempt removes it before it begins."""
    program = (
        "from tests.system.test_docker_step import context\n"
        "from components.core.contracts import StepName\n"
        "from dags.pipeline.docker_profile import DockerStepOperator\n"
        "operator = DockerStepOperator(task_id='prompts', step=StepName.PROMPTS, request='x')\n"
        "operator.run_instead(['python', '-c', 'import time; time.sleep(100)'])\n"
        f"given = context(run_id='cats-it-0000'); given['ti'].run_id = {context()['ti'].run_id!r}\n"
        "operator.execute(given)\n"
    )
    operator = step("pass")
    worker = subprocess.Popen([sys.executable, "-c", program])
    until(lambda: [c["State"] for c in left(operator)] == ["running"], "the first attempt to run")
    worker.kill()
    worker.wait()
    (orphan,) = left(operator)
    assert orphan["Labels"]["ddpo.try"] == "1"
    operator.execute(context(try_number=2))
    assert left(operator) == []


def test_airflow_can_end_it(step: Callable[..., Any]) -> None:
    from airflow.sdk.exceptions import AirflowException

    operator = step("import time; time.sleep(100)")

    def kill() -> None:
        until(lambda: [c["State"] for c in left(operator)] == ["running"], "it to run")
        operator.on_kill()

    thread = threading.Thread(target=kill)
    thread.start()
    ended = r"^prompts: (the container engine: |killed by SIGKILL)"  # whichever of the two is noticed first
    with pytest.raises(AirflowException, match=ended):
        operator.execute(context())
    thread.join()
    assert left(operator) == []


def test_an_engine_that_is_away_is_one_line(step: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.exceptions import AirflowException

    operator = step("pass")
    operator.docker_url = "unix:///nowhere/docker.sock"
    with pytest.raises(AirflowException, match="Docker"):
        operator.execute(context())


def until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)
