"""A step's exit code decides between failing at once and trying again, whichever way the step runs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from components.core.contracts import StepName
from components.core.errors import BadRequest, Unavailable
from dags.pipeline import local
from dags.pipeline.exit_codes import failure, scheduled_errors
from dags.pipeline.local import LocalStepOperator


@pytest.mark.parametrize("code", [64, 65, 66, 73])
def test_what_cannot_get_better_fails_at_once(code: int) -> None:
    assert isinstance(failure(code, "x"), AirflowFailException)


@pytest.mark.parametrize("code", [75, 1, 70, 137, 143, -9, -11])
def test_everything_else_is_tried_again(code: int) -> None:
    assert not isinstance(failure(code, "x"), AirflowFailException)


def test_an_error_keeps_its_one_line() -> None:
    with pytest.raises(AirflowFailException, match=r"^no such key \(look at the list\)$"), scheduled_errors():
        raise BadRequest("no such key", hint="look at the list")
    with pytest.raises(AirflowException) as caught, scheduled_errors():
        raise Unavailable("busy")
    assert not isinstance(caught.value, AirflowFailException)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> LocalStepOperator:
    """A step whose command is a script in step.py."""
    script = tmp_path / "step.py"
    monkeypatch.delenv("DDPO_STEPS", raising=False)
    monkeypatch.setattr(local, "argv", lambda step, request: [sys.executable, str(script), request])
    monkeypatch.setattr(local, "die_with_parent", lambda: None)  # the parent is the test's
    operator = LocalStepOperator(task_id="sampling", step=StepName.SAMPLING, request="file:///plan/sampling-00.json")
    operator.params["script"] = str(script)
    return operator


def ends(step: LocalStepOperator, body: str) -> None:
    Path(step.params["script"]).write_text(f"import os, signal, sys\n{body}\n")
    step.execute({})


def test_a_process_that_succeeds_is_a_success(step: LocalStepOperator) -> None:
    ends(step, "assert sys.argv[1] == 'file:///plan/sampling-00.json'")


def test_a_process_that_says_what_is_wrong_is_quoted(step: LocalStepOperator) -> None:
    line = "2026-01-01T00:00:00Z ERROR   components.core.runner: sampling: MissingInput: nothing at x (a hint)"
    with pytest.raises(AirflowFailException, match=r"^sampling: exit 66: MissingInput: nothing at x \(a hint\)$"):
        ends(step, f"print({line!r}, file=sys.stderr); print('more'); sys.exit(66)")


def test_a_killed_process_is_tried_again(step: LocalStepOperator) -> None:
    with pytest.raises(AirflowException, match="killed by SIGKILL") as caught:
        ends(step, "os.kill(os.getpid(), signal.SIGKILL)")
    assert not isinstance(caught.value, AirflowFailException)


def test_in_process_the_same_errors_are_the_same_outcomes(
    step: LocalStepOperator, monkeypatch: pytest.MonkeyPatch, file_store: str
) -> None:
    monkeypatch.setenv("DDPO_STEPS", "in-process")
    step.request = f"{file_store}/plan/sampling-00.json"
    with pytest.raises(AirflowFailException, match="nothing is committed"):
        step.execute({})
