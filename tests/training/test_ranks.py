"""Several processes train one policy: the gradient of one, and an end that all of them share."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.torch import load as load_tensors

from components.core import store
from components.core.config import AdvantageConfig, LoraConfig, PromptsConfig, RunConfig, TrainingConfig
from components.core.contracts import Manifest, StepName, TrainingRequest, TrainingResult
from components.core.errors import BadData, BadRequest, StepError
from components.core.runner import run_request
from components.training.launch import on_this_machine
from components.training.optimizer import OPTIMIZER_FILE
from components.training.ranks import require_gpus
from tests.faults.test_killed_steps import plan
from tests.training.iteration import small_run
from tests.training.ranks_at_work import exchange, fall, refuse, request_for

ONE_UPDATE = TrainingConfig(
    updates=1, learning_rate=3e-2, clip_range=2.5e-3, micro_batch=16, lora=LoraConfig(rank=4, alpha=8),
    advantage=AdvantageConfig(kind="group"), ratio_check_samples=5,
)  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, pipeline_path: Path) -> TrainingRequest:
    """Iteration 1 of 16 samples in three shards, 6, 5 and 5: two ranks read 11 and 5."""
    prompts = PromptsConfig(prompts=4, samples_per_prompt=4, shards=3)
    root = f"file://{tmp_path_factory.mktemp('ranks')}"
    small = small_run(root, pipeline_path, training=ONE_UPDATE)
    small.config = small.config.model_copy(update={"prompts": prompts})
    small.play(0)
    return small.draw(1)


def changed(request: TrainingRequest, name: str, **training: object) -> TrainingRequest:
    """The same work with other settings, at a prefix of its own."""
    settings = request.training.model_copy(update=training)
    return request.model_copy(update={"out": f"{request.out}-{name}", "training": settings})


def gradient(manifest: Manifest) -> np.ndarray:
    """What the update has added to the first moments, in units of the clipped gradient, all parameters in a row."""
    tensors = load_tensors(store.open_committed(str(manifest.request["out"])).read(OPTIMIZER_FILE))
    return np.concatenate([t.numpy().ravel() for name, t in sorted(tensors.items()) if name.startswith("exp_avg:")])


@pytest.fixture(scope="module")
def by_two(drawn: TrainingRequest) -> Manifest:
    """What two ranks commit, in processes of their own."""
    return run_request(StepName.TRAINING, changed(drawn, "two", processes=2))


def test_two_ranks_have_the_gradient_of_one(drawn: TrainingRequest, by_two: Manifest) -> None:
    """Shards of 6, 5 and 5 samples, so that three must move: moments within 1e-5, and every metric too."""
    alone = run_request(StepName.TRAINING, drawn)
    one, two = gradient(alone), gradient(by_two)
    assert np.linalg.norm(two - one) <= 1e-5 * np.linalg.norm(one)
    assert np.linalg.norm(one) > 0
    a, b = (TrainingResult.model_validate(m.result) for m in (alone, by_two))
    assert b.metrics == pytest.approx(a.metrics, rel=1e-5, abs=1e-6)
    assert (b.samples, b.parent_id) == (16, a.parent_id)


def test_what_ranks_say_to_one_another() -> None:
    """Ranks 0 and 1 bring 1 and 10; rank 1 has no gradient, and a NaN."""
    result, files = on_this_machine(exchange, request_for(2))
    assert result.metrics == {
        "sum": 11, "max": 10, "unknown": 1, "mine": 1, "first": 1, "gradient 0": 1, "gradient 1": 2,
    }  # fmt: skip
    assert files == {"refused.txt": b"2 ranks ended with 2 policies: ['0', '1']"}


def test_what_one_rank_refuses_the_step_refuses() -> None:
    """Rank 1's own words and exit code, though rank 0 lost its connection at the same moment."""
    with pytest.raises(BadData, match=r"^the shard is corrupt \(look at it\)$") as caught:
        on_this_machine(refuse, request_for(2))
    assert caught.value.exit_code == 65


def test_a_rank_that_is_killed_ends_the_step() -> None:
    """No waiting for the dead: seconds, not half an hour; exit code 70, which is tried again."""
    begun = time.monotonic()
    with pytest.raises(StepError, match=r"rank 1 of 2 was killed by SIGKILL") as caught:
        on_this_machine(fall, request_for(2))
    assert caught.value.exit_code == 70
    assert time.monotonic() - begun < 200
    assert not [p for p in psutil.Process().children() if "spawn_main" in " ".join(p.cmdline())]


def test_ranks_die_with_the_step(tmp_path: Path) -> None:
    """kill -9 of the step's process leaves no rank behind."""
    step = subprocess.Popen([sys.executable, "-m", "tests.training.ranks_at_work", str(tmp_path)])
    try:
        deadline = time.monotonic() + 200
        while len(list(tmp_path.glob("rank-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        pids = [int(path.read_text()) for path in tmp_path.glob("rank-*")]
        assert len(pids) == 2
    finally:
        step.send_signal(signal.SIGKILL)
        step.wait()
    gone = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(gone, timeout=20)
    assert [p for p in alive if p.status() != psutil.STATUS_ZOMBIE] == []


def test_fewer_gpus_than_ranks_are_refused() -> None:
    """2 GPUs cannot serve 4 ranks; 0 means that the CPU does, and 8 that some rest."""
    for gpus in (0, 4, 8):
        require_gpus(4, gpus)
    with pytest.raises(BadRequest, match=r"= 4 needs as many GPUs, and this machine shows 2 \(set .* = 2, or give"):
        require_gpus(4, 2)


def test_more_processes_than_shards_are_refused(drawn: TrainingRequest) -> None:
    with pytest.raises(BadRequest, match=r"training.processes = 4 exceeds the 3 shards"):
        run_request(StepName.TRAINING, changed(drawn, "four", processes=4))
    with pytest.raises(ValueError, match=r"training.processes = 4 exceeds prompts.shards = 2"):
        RunConfig(training=TrainingConfig(processes=4))


@pytest.mark.slow
def test_under_torchrun_the_step_joins_and_commits_once(drawn: TrainingRequest, by_two: Manifest) -> None:
    """The same bytes as the ranks that the step starts itself: two of them, in the same order of sums."""
    request = changed(drawn, "joined", processes=2)
    uri = plan(f"{request.out}-plan", {"training": request})["training"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    subprocess.run([*command, "-m", "components.training", "--request", uri], env=environment, timeout=200, check=True)
    assert len(store.children(f"{request.out}/attempts")) == 1
    assert store.open_committed(request.out).manifest.content_digest == by_two.content_digest


@pytest.mark.parametrize("processes", [1, 3])
def test_torchrun_must_start_as_many_as_the_config_says(
    drawn: TrainingRequest, processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadRequest, match=f"torchrun started 2 processes, and training.processes = {processes}"):
        run_request(StepName.TRAINING, changed(drawn, f"of-{processes}", processes=processes))
