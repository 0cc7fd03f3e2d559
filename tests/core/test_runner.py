"""What a step's command does around the step."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

from components.core import runner, store
from components.core.config import RunConfig
from components.core.contracts import PromptsRequest, PromptsResult, StartRequest, StartResult, StepName
from components.core.errors import FINAL_EXIT_CODES, BadData, BadRequest, Conflict, MissingInput, StepError, Unavailable
from tests.core.examples import RESULT, a_request

STEP = StepName.PROMPTS


class FakeStep(types.ModuleType):
    """Stands where a step's module stands; counts its runs and fails as it is told."""

    def __init__(self) -> None:
        super().__init__("components.prompts.step")
        self.runs = 0
        self.error: BaseException | None = None

    def run(self, request: PromptsRequest, out: store.Attempt) -> PromptsResult:
        """The step."""
        self.runs += 1
        out.write("prompts.jsonl", b"")
        if self.error is not None:
            raise self.error
        return RESULT


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> FakeStep:
    """A step that does nothing much."""
    module = FakeStep()
    monkeypatch.setitem(sys.modules, "components.prompts.step", module)
    return module


def plan(root: str, request: PromptsRequest, *, data: bytes | None = None) -> str:
    """Commit a plan of one request, as the pipeline does, and return the request's URI."""
    prefix = f"{root}/plan"
    with store.Attempt(prefix, step="plan") as attempt:
        attempt.write("prompts.json", request.model_dump_json().encode() if data is None else data)
        attempt.commit(StartRequest(out=prefix, config=RunConfig(), base_id="x"), StartResult(run="a"))
    return f"{prefix}/prompts.json"


def exit_code(monkeypatch: pytest.MonkeyPatch, *argv: str) -> int:
    """Run the command in this process."""
    monkeypatch.setattr(sys, "argv", ["prompts", *argv])
    monkeypatch.setattr(runner, "die_with_parent", lambda: None)  # the parent here is pytest's
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as end:
            runner.main(STEP)
    finally:
        signal.signal(signal.SIGTERM, before)
    return int(end.value.code or 0)


def test_a_planned_request_is_run_and_committed(
    store_root: str, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = a_request(store_root)
    assert exit_code(monkeypatch, "--request", plan(store_root, request)) == 0
    manifest = store.open_committed(request.out).manifest
    assert manifest.step == "prompts"
    assert manifest.request_digest == request.digest()
    assert PromptsResult.model_validate(manifest.result) == RESULT


def test_a_request_that_is_done_is_not_done_again(store_root: str, step: FakeStep) -> None:
    first = runner.run_request(STEP, a_request(store_root))
    assert runner.run_request(STEP, a_request(store_root)) == first
    assert step.runs == 1


def test_a_prefix_that_holds_another_requests_result_is_a_conflict(store_root: str, step: FakeStep) -> None:
    runner.run_request(STEP, a_request(store_root, seed=0))
    with pytest.raises(Conflict):
        runner.run_request(STEP, a_request(store_root, seed=1))
    assert step.runs == 1


def test_a_step_that_fails_commits_nothing_and_can_be_tried_again(file_store: str, step: FakeStep) -> None:
    step.error = RuntimeError("out of luck")
    with pytest.raises(RuntimeError):
        runner.run_request(STEP, a_request(file_store))
    assert store.find(f"{file_store}/here") is None
    step.error = None
    assert runner.run_request(STEP, a_request(file_store)).step == "prompts"


@pytest.mark.parametrize("error", [BadRequest, BadData, MissingInput, Conflict, Unavailable])
def test_an_expected_failure_is_one_line_and_its_own_exit_code(
    error: type[StepError],
    file_store: str,
    step: FakeStep,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    step.error = error("it is Tuesday", hint="wait a day")
    assert exit_code(monkeypatch, "--request", plan(file_store, a_request(file_store))) == error.exit_code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"prompts: {error.__name__}: it is Tuesday (wait a day)")
    assert (error.exit_code in FINAL_EXIT_CODES) is not error.retried


def test_a_surprise_is_70_and_a_traceback(
    file_store: str, step: FakeStep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    step.error = ZeroDivisionError("division by zero")
    assert exit_code(monkeypatch, "--request", plan(file_store, a_request(file_store))) == 70
    assert 70 not in FINAL_EXIT_CODES
    assert "Traceback" in capsys.readouterr().err


def _raised_from(cause: Exception) -> Exception:
    try:
        raise OSError("cannot load the model") from cause
    except OSError as error:
        return error


@pytest.mark.parametrize(
    "error", [ConnectionResetError("reset"), TimeoutError("slow"), _raised_from(ConnectionRefusedError("no"))]
)
def test_a_connection_problem_of_any_library_is_75(
    error: Exception, file_store: str, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    step.error = error
    assert exit_code(monkeypatch, "--request", plan(file_store, a_request(file_store))) == 75


def test_a_connection_problem_of_requests_and_httpx_is_75(
    file_store: str, step: FakeStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests, httpx = pytest.importorskip("requests"), pytest.importorskip("httpx")
    uri = plan(file_store, a_request(file_store))
    for error in (
        requests.ConnectionError("x"),
        requests.ReadTimeout("x"),
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        pytest.importorskip("httpx2").ConnectError("x"),
    ):
        step.error = error
        assert exit_code(monkeypatch, "--request", uri) == 75, error
    step.error = requests.HTTPError("400")
    assert exit_code(monkeypatch, "--request", uri) == 70


def test_a_services_message_is_told_without_its_secrets(
    file_store: str, step: FakeStep, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    step.error = ConnectionError("Max retries exceeded with url: http://me:hush@host:9/key?X-Amz-Signature=hush")
    assert exit_code(monkeypatch, "--request", plan(file_store, a_request(file_store))) == 75
    (line,) = capsys.readouterr().err.splitlines()
    assert "http://host:9/key?..." in line
    assert "hush" not in line


def test_a_result_that_breaks_its_contract_is_a_bad_request_that_names_the_key(file_store: str, step: FakeStep) -> None:
    """A contract that does not hold cannot hold on a retry either."""
    step.run = lambda request, out: PromptsResult(rows="many", prompts=1)  # type: ignore[assignment, arg-type]
    with pytest.raises(BadRequest, match="PromptsResult does not hold: rows = 'many'"):
        runner.run_request(STEP, a_request(file_store))


def test_a_request_of_another_step_is_a_bad_request(file_store: str, step: FakeStep) -> None:
    with pytest.raises(BadRequest, match="sampling takes a SamplingRequest, not a PromptsRequest"):
        runner.run_request(StepName.SAMPLING, a_request(file_store))
    with pytest.raises(BadRequest, match="is no request for sampling"):
        runner.load_request(StepName.SAMPLING, plan(file_store, a_request(file_store)))


@pytest.mark.parametrize("data", [b"", b"{", b'{"out": 3}', b"\xff"])
def test_a_request_that_does_not_parse_is_a_bad_request(file_store: str, data: bytes) -> None:
    uri = plan(file_store, a_request(file_store), data=data)
    with pytest.raises(BadRequest, match="is no request for prompts"):
        runner.load_request(STEP, uri)


def test_a_request_whose_plan_is_not_committed_is_missing_input(store_root: str) -> None:
    with pytest.raises(MissingInput, match=r"nothing is committed at .*/plan"):
        runner.load_request(STEP, f"{store_root}/plan/prompts.json")
    plan(store_root, a_request(store_root))
    with pytest.raises(MissingInput, match=r"without other\.json"):
        runner.load_request(STEP, f"{store_root}/plan/other.json")


@pytest.mark.parametrize("uri", ["prompts.json", "file:///plan/", "", "/plan/prompts.json"])
def test_a_request_is_named_by_a_uri(uri: str) -> None:
    with pytest.raises(BadRequest, match="names no request"):
        runner.load_request(STEP, uri)


@pytest.mark.parametrize("name", list(StepName))
def test_every_command_teaches_itself(name: StepName) -> None:
    help_text = runner._parser(name).format_help()
    for word in (
        f"python -m components.{name}",
        "--request URI",
        "BadRequest    64",
        "Unavailable   75",
        "never retried",
    ):
        assert word in help_text


def test_a_wrong_command_line_is_a_bad_request(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code(monkeypatch) == exit_code(monkeypatch, "--req", "x") == BadRequest.exit_code


STEP_THAT_WAITS = """
import os, sys, time
from components.core.lifeline import die_with_parent
die_with_parent()
print(os.getpid(), flush=True)
time.sleep(60)
"""

SUPERVISOR = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {STEP_THAT_WAITS!r}], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_SET_PDEATHSIG is Linux's")
def test_a_step_dies_with_a_supervisor_that_is_killed() -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    child = int(supervisor.stdout.readline())
    supervisor.kill()
    supervisor.wait()
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


STEP_THAT_IS_ENDED = """
import os, signal, sys
from components.core import runner
from components.core.contracts import StepName
runner._exit_code = lambda *args: os.kill(os.getpid(), signal.SIGTERM) or signal.pause()
runner.main(StepName.PROMPTS)
"""


def test_a_step_that_is_told_to_end_ends_at_once_and_is_retried() -> None:
    ended = subprocess.run([sys.executable, "-c", STEP_THAT_IS_ENDED, "--request", "x"], check=False, timeout=30)
    assert ended.returncode == 128 + signal.SIGTERM == 143
    assert ended.returncode not in FINAL_EXIT_CODES


def test_the_command_runs_as_a_module_and_says_what_is_missing(file_store: str) -> None:
    command = [sys.executable, "-m", "components.prompts", "--request", f"{file_store}/plan/prompts.json"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, "PYTHONWARNINGS": ""}
    )
    assert done.returncode == 66
    (line,) = done.stderr.splitlines()
    assert "MissingInput: nothing is committed at" in line


def test_a_step_looks_for_models_in_the_store_of_its_request(tmp_path: Path) -> None:
    """A profile need not say again where the store is; where it does, that counts."""
    script = """
import sys
from components.core import deployment, runner
runner._exit_code = lambda step, uri: print(deployment.from_environment().store)
sys.argv[1:] = ["--request", "s3://bucket/prefix/runs/cats/iterations/0000/plan/sampling-00.json"]
runner.main("sampling")
"""
    plain = {name: value for name, value in os.environ.items() if name != "DDPO_STORE"}
    for given, expected in ({}, "s3://bucket/prefix"), ({"DDPO_STORE": "s3://other"}, "s3://other"):
        done = subprocess.run([sys.executable, "-c", script], env=plain | given, capture_output=True, text=True)
        assert done.stdout.strip() == expected, done.stderr
