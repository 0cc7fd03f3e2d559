"""DDPO's loss (arXiv 2305.13301, section 4.3): every step of a path is an action, and has the picture's advantage.

N samples · P pairs (sample, step).
"""

from __future__ import annotations

import torch
from torch import Tensor

from components.core.config import TrainingConfig
from components.policy import ddim
from components.training import loss
from components.training.evaluator import Evaluator
from components.training.pairs import Pairs


class PolicyGradient:
    """Importance sampling (PPO's clip) or the score function, and the KL to the base where it has a weight."""

    def __init__(self, evaluator: Evaluator, advantage_N: Tensor, config: TrainingConfig) -> None:
        self.evaluator, self.advantage_N, self.config = evaluator, advantage_N, config
        self.clip = evaluator.clip_range(config)
        self.settings = {"clip_range": self.clip} if config.algorithm == "ddpo_is" else {}
        self.metrics: tuple[str, ...] = ("loss", "clip_fraction", "approx_kl")
        if config.kl_weight:
            self.metrics += ("kl_per_step",)

    def __call__(self, pairs: Pairs) -> tuple[Tensor, ...]:
        """Loss, share of clipped ratios, KL of this update, and KL to the base in nats a step where it counts."""
        mean = self.evaluator.mean(self.evaluator.policy.unet, pairs)
        new, old = self.evaluator.log_prob(mean, pairs), self.evaluator.old_log_prob(pairs)
        advantage = self.advantage_N[pairs.sample_P].to(new.device)
        if self.config.algorithm == "ddpo_is":
            minimised = loss.importance_sampling_loss(new, old, advantage, self.clip)
        else:
            minimised = loss.score_function_loss(new, advantage)
        with torch.no_grad():
            told = (loss.clip_fraction(new, old, self.clip), loss.approximate_kl(new, old))
        if not self.config.kl_weight:
            return minimised, *told
        kl = self.kl_to_base(mean, pairs).mean()
        return minimised + self.config.kl_weight * kl, *told, kl.detach()

    def kl_to_base(self, mean_PCHW: Tensor, pairs: Pairs) -> Tensor:
        """KL of each pair's step to the bare base's, nats, [P]: closed form, the gradient through the policy only."""
        with torch.no_grad():
            base_mean = self.evaluator.mean(self.evaluator.policy.base_unet, pairs)
        return ddim.step_kl(mean_PCHW, base_mean, self.evaluator.sigma(pairs))
