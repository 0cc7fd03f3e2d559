"""Every rank has its share of every update, and the trajectories for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
import torch

from components.core.config import TrainingConfig
from components.policy.load import load_policy
from components.training.evaluator import Evaluator
from components.training.experience import Experience, load_experience
from components.training.objective import make_objective
from components.training.pairs import Pairs, plan_updates
from components.training.ranks import SOLO, Ranks
from components.training.spread import even_holders, evenly
from components.training.trained import make_trained
from components.training.update import accumulate
from tests.training.forked import two_ranks
from tests.training.iteration import small_run

CPU = torch.device("cpu")


def test_each_share_is_even_and_nothing_moves_without_need() -> None:
    """Holders 0 0 0 1 of one share, 1 1 1 of another: one sample goes from 0 to 1, one from 1 to 0."""
    holders = torch.tensor([0, 0, 0, 1, 1, 1, 1])
    wanted = even_holders(holders, [torch.tensor([0, 1, 2, 3]), torch.tensor([4, 5, 6])], 2)
    assert wanted.tolist() == [0, 0, 1, 1, 1, 1, 0]
    assert even_holders(torch.tensor([0, 1, 0, 1]), [torch.arange(4)], 2).tolist() == [0, 1, 0, 1]


def test_sixty_four_samples_on_eight_ranks_are_eight_each() -> None:
    """256 samples in 4 updates, read in 8 shards of 32."""
    holders = torch.arange(256) // 32
    shares = [p.sample_P.unique() for p in plan_updates(256, 3, TrainingConfig(updates=4), seed=0)]
    before = max(int(holders[share].bincount(minlength=8).max()) for share in shares)
    wanted = even_holders(holders, shares, 8)
    assert before > 10
    assert all(wanted[share].bincount(minlength=8).tolist() == [8] * 8 for share in shares)
    assert (wanted != holders).float().mean() < 0.25


def numbered(ranks: Ranks, dtype: torch.dtype) -> Experience:
    """Seven samples; rank 0 holds 0 1 2 5 6, rank 1 holds 3 4. Sample n is made of n."""
    held = torch.tensor([0, 1, 2, 5, 6] if ranks.leads else [3, 4])
    if ranks.size == 1:
        held = torch.arange(7)
    latents = held.view(-1, 1, 1, 1, 1).expand(-1, 3, 1, 2, 2).to(dtype)
    names = [str(n) for n in range(7)]
    return Experience(names, names, [0.0] * 7, latents, -held.float().view(-1, 1).expand(-1, 2), held, dropped=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_trajectories_arrive_where_they_are_wanted(tmp_path: Path, dtype: torch.dtype) -> None:
    """Updates of 0 1 2 3 and 4 5 6: rank 0 has two of each, so that sample 2 or another goes to rank 1."""
    plan = [Pairs.of(torch.tensor(share), 2) for share in ([3, 2, 1, 0], [4, 5, 6])]

    def work(ranks: Ranks) -> str:
        found = evenly(numbered(ranks, dtype), plan, ranks, CPU)
        assert found.latents_MSCHW.dtype == dtype
        values = found.latents_MSCHW.float()
        assert (values == values[:, :1, :1, :1, :1]).all()
        return json.dumps([found.held_M.tolist(), values[:, 0, 0, 0, 0].tolist(), found.log_probs_MT[:, 1].tolist()])

    said = [json.loads(text) for text in two_ranks(tmp_path / "ranks", work)]
    held = [s[0] for s in said]
    assert held == [[0, 1, 5, 6], [2, 3, 4]]
    assert said == [[samples, samples, [-n for n in samples]] for samples in held]


def test_one_process_moves_nothing() -> None:
    experience = numbered(SOLO, torch.float32)
    assert evenly(experience, [Pairs.of(torch.arange(7), 2)], SOLO, CPU) is experience


@pytest.mark.parametrize(("algorithm", "trainable"), [("ddpo_is", "adapter"), ("rwr", "adapter"), ("ddpo_is", "unet")])
def test_uneven_ranks_weigh_by_their_pairs(
    tmp_path: Path,
    pipeline_path: Path,
    algorithm: Literal["ddpo_is", "rwr"],
    trainable: Literal["adapter", "unet"],
) -> None:
    """Ranks that hold 11 and 5 of 16 samples: the gradient of one process within 1e-5, and its metrics."""
    small = small_run(f"file://{tmp_path}", pipeline_path)
    prompts = small.config.prompts.model_copy(update={"shards": 3})
    training = small.config.training.model_copy(update={"trainable": trainable})
    small.config = small.config.model_copy(update={"prompts": prompts, "training": training})
    small.play(0)
    request = small.draw(1)
    config = training.model_copy(update={"algorithm": algorithm, "micro_batch": 16, "clip_range": 0.1})
    credit = torch.linspace(-2, 2, 16)

    def gradient(ranks: Ranks, wanted: int) -> tuple[torch.Tensor, dict[str, float]]:
        policy = load_policy(request.policy)
        experience = load_experience(request, policy.id, ranks)
        assert len(experience.held_M) == wanted
        evaluator = Evaluator(policy, experience, request.sampler)
        objective = make_objective(evaluator, credit, config, seed=0)
        parameters = list(make_trained(policy, config, seed=0, parent=request.policy.adapter).parameters.values())
        metrics = accumulate(objective, parameters, Pairs.of(torch.arange(16), 5), config.micro_batch, ranks=ranks)
        return torch.cat([p.grad.flatten() for p in parameters if p.grad is not None]), metrics

    alone, metrics = gradient(SOLO, 16)

    def work(ranks: Ranks) -> str:
        together, said = gradient(ranks, 11 if ranks.leads else 5)
        return json.dumps([float((together - alone).norm() / alone.norm()), said])

    for difference, said in map(json.loads, two_ranks(tmp_path / "ranks", work)):
        assert difference <= 1e-5
        assert said == pytest.approx(metrics, rel=1e-5, abs=1e-6)
