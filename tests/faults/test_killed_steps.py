"""A step may be killed at any moment: what it leaves is an orphan or a commit, and a retry ends with the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from components.core import store
from components.core.config import RunConfig
from components.core.contracts import Manifest, PromptsRequest, Request, StartRequest, StartResult
from components.core.layout import RunLayout
from components.core.plan import iteration_requests
from tests.faults.killed_at import POINTS
from tests.training.iteration import SmallRun, commit_prompts, small_run

KILLED = -signal.SIGKILL
Command = Callable[[str, str], int]
"""(point, URI of a request) -> exit code."""


def plan(prefix: str, requests: dict[str, Request]) -> dict[str, str]:
    """Commit requests as the pipeline does; returns the URI of each."""
    with store.Attempt(prefix, step="plan") as attempt:
        for name, request in requests.items():
            attempt.write(f"{name}.json", request.model_dump_json().encode())
        attempt.commit(StartRequest(out=prefix, config=RunConfig(), base_id="x"), StartResult(run="a"))
    return {name: f"{prefix}/{name}.json" for name in requests}


def elsewhere(request: Request, name: str) -> Request:
    """The same work, at a prefix of its own."""
    return request.model_copy(update={"out": f"{request.out}-{name.replace(' ', '-')}"})


def attempts(prefix: str) -> list[str]:
    return store.children(f"{prefix}/{store.ATTEMPTS}")


def outcome(prefix: str) -> Manifest:
    """The commit, with every file read back."""
    committed = store.open_committed(prefix)
    for file in committed.manifest.files:
        committed.read(file.path)
    return committed.manifest


def survives_a_kill(run: Command, uri: str, out: str, point: str) -> Manifest:
    """Kill a step at a point and try again: exactly one commit comes of it."""
    assert run(point, uri) == KILLED
    orphans = attempts(out)
    assert len(orphans) == (0 if point == "before work" else 1)
    assert set(store.children(out)) <= ({"attempts", "COMMITTED.json"} if point == "after marker" else {"attempts"})
    first = store.find(out)
    assert (first is not None) == (point == "after marker")

    assert run("never", uri) == 0
    manifest = outcome(out)
    assert store.children(out) == ["COMMITTED.json", "attempts"]
    if first is not None:
        assert manifest == first.manifest, "a step that is done is not done again"
    else:
        assert attempts(out) == sorted([*orphans, manifest.attempt])
    return manifest


def check_every_point(run: Command, request: Request, plan_prefix: str) -> None:
    """Kill a step at every point, each at a prefix of its own: all end with the bytes of an undisturbed one."""
    wanted = {point: elsewhere(request, point) for point in ("never", *POINTS)}
    uris = plan(plan_prefix, {point.replace(" ", "-"): request for point, request in wanted.items()})
    assert run("never", uris["never"]) == 0
    undisturbed = outcome(wanted["never"].out)
    assert len(undisturbed.files) > 0
    for point in POINTS:
        manifest = survives_a_kill(run, uris[point.replace(" ", "-")], wanted[point].out, point)
        assert manifest.content_digest == undisturbed.content_digest, point
        assert manifest.files == undisturbed.files, point


@pytest.fixture(scope="module")
def warm() -> Iterator[Callable[[str], Command]]:
    """The command of any step, in forks of one process that has imported torch."""
    argv = [sys.executable, "-m", "tests.faults.warm_commands"]
    # Byte equality is promised on one thread.
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        orders, codes = process.stdin, process.stdout
        assert orders is not None
        assert codes is not None

        def run(step: str, point: str, uri: str) -> int:
            aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
            orders.write(json.dumps({"step": step, "point": point, "uri": uri, "env": aws}) + "\n")
            orders.flush()
            return int(codes.readline())

        yield lambda step: partial(run, step)
        orders.close()


def command(step: str) -> Command:
    """The command of a step, in a process of its own each time."""

    def run(point: str, uri: str) -> int:
        argv = [sys.executable, "-m", "tests.faults.killed_at", point, step, "--request", uri]
        return subprocess.run(argv, check=False, timeout=250).returncode

    return run


def prompts_request(root: str) -> PromptsRequest:
    run = RunLayout.of(root, "killed")
    request = iteration_requests(RunConfig(), run, 0)["prompts"]
    assert isinstance(request, PromptsRequest)
    return request


def test_prompts_killed_anywhere_end_with_the_same_bytes(store_root: str, warm: Callable[[str], Command]) -> None:
    check_every_point(warm("prompts"), prompts_request(store_root), f"{store_root}/plan")


def test_a_real_process_killed_before_its_marker_is_retried_to_its_end(store_root: str) -> None:
    request = prompts_request(store_root)
    uri = plan(f"{store_root}/plan", {"prompts": request})["prompts"]
    survives_a_kill(command("prompts"), uri, request.out, "before marker")


def test_two_steps_at_once_both_succeed_and_commit_once(store_root: str) -> None:
    """A killed supervisor can leave its step running beside the retry."""
    request = prompts_request(store_root)
    uri = plan(f"{store_root}/plan", {"prompts": request})["prompts"]
    argv = [sys.executable, "-m", "components.prompts", "--request", uri]
    both = [subprocess.Popen(argv) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert outcome(request.out).attempt in attempts(request.out)
    assert store.children(request.out) == ["COMMITTED.json", "attempts"]


@pytest.fixture
def small(file_store: str, pipeline_path: Path) -> SmallRun:
    """Sixteen samples of a random pipeline."""
    return small_run(file_store, pipeline_path)


def test_sampling_killed_anywhere_ends_with_the_same_bytes(small: SmallRun, warm: Callable[[str], Command]) -> None:
    requests = with_prompts(small)
    check_every_point(warm("sampling"), requests["sampling-00"], f"{small.run.uri}/plan")


def test_training_killed_anywhere_ends_with_the_same_policy(small: SmallRun, warm: Callable[[str], Command]) -> None:
    check_every_point(warm("training"), small.draw(0), f"{small.run.uri}/plan")


@pytest.mark.slow
def test_a_command_that_was_killed_mid_sampling_is_retried_to_its_end(small: SmallRun) -> None:
    """The real command in real processes, torch and all."""
    requests = with_prompts(small)
    uris = plan(f"{small.run.uri}/plan", requests)
    survives_a_kill(command("sampling"), uris["sampling-01"], requests["sampling-01"].out, "mid-work")


def with_prompts(small: SmallRun) -> dict[str, Request]:
    """The requests of iteration 0, its prompts committed."""
    requests = iteration_requests(small.config, small.run, 0)
    assert isinstance(requests["prompts"], PromptsRequest)
    commit_prompts(requests["prompts"], samples_per_prompt=small.config.prompts.samples_per_prompt)
    return requests
