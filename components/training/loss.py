"""The losses. B is a batch of pairs, and a loss is a mean over it.

The two of DDPO take tensors of shape [B], for (sample, step) pairs; denoising takes pictures' latents, C H W each.
"""

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


def denoising_error(prediction_BCHW: Tensor, target_BCHW: Tensor) -> Tensor:
    """Squared error of each pair, a mean over C·H·W, shape [B]: DDPM's simple loss (arXiv 2006.11239, equation 14)."""
    return ((prediction_BCHW - target_BCHW) ** 2).mean(dim=(1, 2, 3))


def weighted_loss(error_B: Tensor, weight_B: Tensor) -> Tensor:
    """Reward-weighted regression (arXiv 2305.13301, section 4.2): each picture's error counts as its weight says."""
    return (weight_B * error_B).mean()


def clip_fraction(log_prob_B: Tensor, old_log_prob_B: Tensor, clip: float) -> Tensor:
    """Share of ratios outside 1 ± clip."""
    return (torch.exp(log_prob_B - old_log_prob_B) - 1).abs().gt(clip).float().mean()


def approximate_kl(log_prob_B: Tensor, old_log_prob_B: Tensor) -> Tensor:
    """(r - 1) - log r: an estimate of KL(old, new) that is never negative (Schulman, "Approximating KL divergence")."""
    log_ratio_B = log_prob_B - old_log_prob_B
    return (torch.expm1(log_ratio_B) - log_ratio_B).mean()
