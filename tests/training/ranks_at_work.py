"""Short trainings for ranks that are processes of their own: at module level, so that they can be found there."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch

from components.core.config import BaseModelConfig, SamplerConfig, TrainingConfig
from components.core.contracts import PolicyRef, TrainingRequest, TrainingResult
from components.core.errors import BadData
from components.training.launch import Trained, on_this_machine
from components.training.ranks import Ranks


def request_for(processes: int, out: str = "file:///nowhere") -> TrainingRequest:
    """A request of which only the number of processes, and `out`, are looked at."""
    return TrainingRequest(
        out=out, iteration=0, policy=PolicyRef(base=BaseModelConfig()), fresh_optimizer=True, shards=(), history=(),
        reward="r", sampler=SamplerConfig(), training=TrainingConfig(processes=processes), seed=0,
    )  # fmt: skip


def _result(metrics: dict[str, float]) -> TrainingResult:
    return TrainingResult(policy_id="p", parent_id="q", iteration=0, metrics=metrics, samples=1, dropped=0)


def exchange(request: TrainingRequest, ranks: Ranks) -> Trained:
    """Every exchange once: ranks 0 and 1 bring 1 and 10, and gradients (1, 2) and none."""
    mine = torch.tensor(1.0 if ranks.leads else 10.0)
    parameters = [torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1, 1))]
    if ranks.leads:
        parameters[0].grad, parameters[1].grad = torch.tensor([1.0]), torch.tensor([[2.0]])
    ranks.sum_gradients(parameters)
    gradients = [float(p.grad) for p in parameters if p.grad is not None]
    metrics = {
        "sum": float(ranks.sum(mine)),
        "max": float(ranks.max(mine)),
        "unknown": float(ranks.max(torch.tensor(float("nan") if ranks.rank else 0.0)).isnan()),
        "mine": float(mine),
        "first": ranks.from_first(float(mine)),
        "gradient 0": gradients[0],
        "gradient 1": gradients[1],
    }
    ranks.require_one("answers", "equal")
    try:
        ranks.require_one("policies", str(ranks.rank))
    except RuntimeError as error:
        return _result(metrics), {"refused.txt": str(error).encode()}
    raise AssertionError("ranks that differ were let through")


def _wait_for_the_other(ranks: Ranks) -> None:
    ranks.sum(torch.zeros(1))


def refuse(request: TrainingRequest, ranks: Ranks) -> Trained:
    """Rank 1 finds bad data while rank 0 waits for it."""
    if ranks.rank == 1:
        raise BadData("the shard is corrupt", hint="look at it")
    _wait_for_the_other(ranks)
    raise AssertionError("rank 0 went on alone")


def fall(request: TrainingRequest, ranks: Ranks) -> Trained:
    """Rank 1 is killed while rank 0 waits for it."""
    if ranks.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    _wait_for_the_other(ranks)
    raise AssertionError("rank 0 went on alone")


def wait(request: TrainingRequest, ranks: Ranks) -> Trained:
    """Say who is at work, and work for ever."""
    Path(request.out.removeprefix("file://"), f"rank-{ranks.rank}").write_text(str(os.getpid()))
    time.sleep(600)
    raise AssertionError("nobody ended this rank")


if __name__ == "__main__":
    on_this_machine(wait, request_for(2, sys.argv[1]))
