"""What each picture of an iteration counts: an advantage where there is a policy gradient, else a weight."""

from __future__ import annotations

import numpy as np
import torch

from components.core.contracts import TrainingRequest
from components.training.advantage import advantages
from components.training.experience import Experience, load_history
from components.training.weighting import effective_samples, weights


def with_credit(experience: Experience, request: TrainingRequest) -> tuple[Experience, torch.Tensor]:
    """Credit [N], and the experience without the samples that nothing can be compared with."""
    past, config = load_history(request), request.training  # also where only the scorer's identity is looked at
    if config.policy_gradient:
        credit = advantages(experience.prompt_ids, experience.rewards, past, config.advantage)
    else:
        credit = weights(experience.prompt_ids, experience.rewards, config)
    kept = np.flatnonzero(~np.isnan(credit)).tolist()
    return experience.keep(kept), torch.tensor(credit[kept], dtype=torch.float32)


def credit_metrics(experience: Experience, credit_N: torch.Tensor, *, policy_gradient: bool) -> dict[str, float]:
    """Rewards of the samples that were kept, and how evenly the credit is spread."""
    rewards = np.asarray(experience.rewards, dtype=np.float64)
    metrics = {"reward_mean": float(rewards.mean()), "reward_std": float(rewards.std())}
    if policy_gradient:
        return metrics | {"advantage_mean_abs": float(credit_N.abs().mean())}
    weight_N = credit_N.numpy().astype(np.float64)
    return metrics | {"effective_samples": effective_samples(weight_N), "weight_max": float(weight_N.max())}
