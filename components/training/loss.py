"""The two losses of DDPO. B is a batch of (sample, step) pairs; every tensor has shape [B]; the loss is a mean."""

from __future__ import annotations

import torch
from torch import Tensor


def importance_sampling_loss(log_prob_B: Tensor, old_log_prob_B: Tensor, advantage_B: Tensor, clip: float) -> Tensor:
    """PPO's clipped surrogate (arXiv 1707.06347, equation 7), to be minimised.

    With ratio 1.1, clip 0.01 and advantage +1 the clipped side wins: -1.01.
    """
    ratio_B = torch.exp(log_prob_B - old_log_prob_B)
    clipped_B = ratio_B.clamp(1 - clip, 1 + clip)
    return torch.maximum(-advantage_B * ratio_B, -advantage_B * clipped_B).mean()


def score_function_loss(log_prob_B: Tensor, advantage_B: Tensor) -> Tensor:
    """REINFORCE: its gradient is that of the surrogate at ratio 1, so it is right for one update only."""
    return (-advantage_B * log_prob_B).mean()


def clip_fraction(log_prob_B: Tensor, old_log_prob_B: Tensor, clip: float) -> Tensor:
    """Share of ratios outside 1 ± clip."""
    return (torch.exp(log_prob_B - old_log_prob_B) - 1).abs().gt(clip).float().mean()


def approximate_kl(log_prob_B: Tensor, old_log_prob_B: Tensor) -> Tensor:
    """(r - 1) - log r: an estimate of KL(old, new) that is never negative (Schulman, "Approximating KL divergence")."""
    log_ratio_B = log_prob_B - old_log_prob_B
    return (torch.expm1(log_ratio_B) - log_ratio_B).mean()
