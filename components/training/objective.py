"""What an update minimises: one class for each family of algorithms, and which one a config asks for.

PolicyGradient   ddpo_is, ddpo_sf          pairs are (sample, step of its path)
Denoising        rwr, rwr_sparse, raft     pairs are (sample, number of a noised copy)
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from components.core.config import TrainingConfig
from components.training.denoising import Denoising
from components.training.evaluator import Evaluator
from components.training.pairs import Pairs, plan_copies, plan_updates
from components.training.policy_gradient import PolicyGradient


class Objective(Protocol):
    """A loss over pairs. What it says of a pair depends on the pair alone, so that ranks and resumed runs agree."""

    evaluator: Evaluator
    metrics: tuple[str, ...]
    """Names of what a call returns; the first is the loss."""
    settings: dict[str, float]
    """What it goes by that no config says, to be told beside the metrics."""

    def __call__(self, pairs: Pairs) -> tuple[Tensor, ...]:
        """Means over these pairs, each a scalar; a gradient flows through the first only."""
        ...


def make_objective(evaluator: Evaluator, credit_N: Tensor, config: TrainingConfig, *, seed: int) -> Objective:
    """The loss of the config's algorithm. `credit_N`: advantages for DDPO, else weights; `seed` is the request's."""
    if config.policy_gradient:
        return PolicyGradient(evaluator, credit_N, config)
    return Denoising(evaluator, credit_N, seed=seed)


def make_plan(credit_N: Tensor, steps: int, config: TrainingConfig, *, seed: int) -> list[Pairs]:
    """The pairs of each update; of the algorithms that choose winners, the winners' alone."""
    if config.policy_gradient:
        return plan_updates(len(credit_N), steps, config, seed=seed)
    everyone = torch.arange(len(credit_N))
    return plan_copies(everyone if config.algorithm == "rwr" else everyone[credit_N > 0], steps, config, seed=seed)
